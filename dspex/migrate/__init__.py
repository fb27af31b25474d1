"""``dspex migrate``: rewrite a code base from DSPy to dspex, and say what is left to do by hand.

`find` says which files there are to look at; `python`, `notebooks`, `requirements` and `pyproject` rewrite one kind of
text each; `names` knows what dspex has; `tree` does all of it to a folder.
"""
