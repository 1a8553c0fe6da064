"""How people say who they are at the door: codes, cards, badges and PINs. Pure but for `desk`."""
