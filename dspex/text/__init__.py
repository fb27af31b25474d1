"""Comparing texts: normalized, or cut into tokens, as DSPy's metrics do it."""
