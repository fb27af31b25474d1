"""``dspex worker``: work on the runs of a task queue."""
