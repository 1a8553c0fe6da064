"""Draws docs/hardware/*.svg and works out the tables of docs/hardware/*.md.

`python -m docs.drawings` writes them anew; a test holds that they are up to date. Nothing of the
appliance itself imports this.
"""
