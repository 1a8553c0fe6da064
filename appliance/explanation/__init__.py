"""What the appliance sees in one picture, as pictures and figures for people."""
