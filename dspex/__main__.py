"""``python -m dspex``: the same as the command ``dspex``."""

from dspex.cli import main

if __name__ == "__main__":
    main()
