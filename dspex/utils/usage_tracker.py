"""DSPy's path to usage tracking (`dspex.primitives.usage`)."""

from dspex.primitives.usage import UsageTracker, track_usage

__all__ = ["UsageTracker", "track_usage"]
