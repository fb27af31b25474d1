"""``dspex dev``: an embedded Temporal server, its Web UI and a worker, kept alive by one command."""
