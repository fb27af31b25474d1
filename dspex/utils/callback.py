"""DSPy's path to callbacks (`dspex.callback`)."""

from dspex.callback import ACTIVE_CALL_ID, BaseCallback, logger
from dspex.callback_methods import with_callbacks

__all__ = ["ACTIVE_CALL_ID", "BaseCallback", "logger", "with_callbacks"]
