"""``dspex runs``: list, show, follow and control runs, and fetch their results."""
