"""Pure stages over values: each takes a picture or landmarks and returns a frozen value."""
