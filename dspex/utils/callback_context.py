"""DSPy's path to the id of the call under way (`dspex.callback`)."""

from dspex.callback import ACTIVE_CALL_ID

__all__ = ["ACTIVE_CALL_ID"]
