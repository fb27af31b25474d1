"""The practice model: an honest offline stand-in for a language model, served over HTTP (DESIGN §7). Not an LM."""

from dspex.practice.options import PracticeOptions
from dspex.practice.server import PracticeServer, run_forever, serve

__all__ = ["PracticeOptions", "PracticeServer", "run_forever", "serve"]
