"""Saved programs: their files and their state."""
