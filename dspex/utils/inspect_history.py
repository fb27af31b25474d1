"""DSPy's path to the printed history (`dspex.clients.history`)."""

from dspex.clients.history import pretty_print_history

__all__ = ["pretty_print_history"]
