"""The board that the appliance runs on: power, heat, memory card, and what its system allows.

Each reader is a function of the folder under which proc, sys, etc and run are, so that what a
real board said can be kept in a test. It reads and never writes. What a board does not tell is
None or empty, and is never taken for "all is well".
"""
