"""DSPy's ``dspy.dsp``: names that user code imports from there. Their homes are elsewhere."""
