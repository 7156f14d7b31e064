"""Starts the guard, whose code Python has compiled already, unlike that of a script."""

import sys

from guard import main  # type: ignore[import-not-found]  # beside this script

if __name__ == "__main__":
    sys.exit(main(sys.argv))
