"""Start a worker on this host: ``python worker.py``, with all it must know in the environment.

``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``DSPEX_TASK_QUEUE`` (or ``TEMPORAL_TASK_QUEUE``), ``DSPEX_STORE``, and
``DSPEX_IMPORTS``: the modules whose code runs may name, separated by commas. `dspex worker` is the same with options.
"""

from dspex.cli import main

if __name__ == "__main__":
    main(["worker"])
