"""``dspex optimize``: find a better program from examples and a metric."""
