"""``dspex migrate``: rewrite code from DSPy to dspex."""
