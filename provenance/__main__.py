"""``python -m provenance``: the same as the command ``provenance``."""

from provenance.cli import main

if __name__ == "__main__":
    main()
