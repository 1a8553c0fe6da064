"""The command line: one module a command, all speaking through `session.Session`."""
