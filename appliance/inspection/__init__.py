"""What the acceptance measures by itself: the machine, the camera, the lock, the log."""
