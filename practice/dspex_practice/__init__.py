"""The practice model: an honest offline stand-in for a language model, served over HTTP. Not a language model."""

from dspex_practice.api.options import OptionError, PracticeOptions
from dspex_practice.server.server import PracticeServer, run_forever, serve

__all__ = ["OptionError", "PracticeOptions", "PracticeServer", "run_forever", "serve"]
