"""A sandbox for Python that a model wrote: Monty, an interpreter of its own, in worker processes without any access.

`Session` is what one interpreter remembers, `Workers` the few processes that thousands of sessions take turns on.
DSPy's names for using it (`PythonInterpreter` and its kin) live in `dspex.primitives`. Why Monty: docs/decisions/0006.
"""
