"""Cameras, the lock's line and the clock: each real part beside its simulated twin."""
