"""The running service's API on its Unix socket: who may ask what, the server, and the client."""
