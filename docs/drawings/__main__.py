"""`python -m docs.drawings` writes the drawings and the tables anew."""

from __future__ import annotations

import sys

from docs.drawings.book import write

if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in write()))
