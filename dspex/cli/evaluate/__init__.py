"""``dspex evaluate``: score a program on rows of data."""
