"""A door that recognises the person who claims to be Alice, on the device itself."""

__version__ = "0.1.0"
