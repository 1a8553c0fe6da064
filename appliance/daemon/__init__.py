"""What runs on the wall: one process that owns the camera and the lock, watches, and answers."""
