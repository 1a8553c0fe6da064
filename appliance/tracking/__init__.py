"""Everybody in a film at once: who is followed from frame to frame, and who each of them is."""
