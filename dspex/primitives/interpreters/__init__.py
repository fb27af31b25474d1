"""Interpreters of model-written code: what all have in common, and what they are given."""
