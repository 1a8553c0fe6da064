"""From frames to a template: only good frames, of one person, each counted once."""
