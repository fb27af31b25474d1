"""The practice model: an honest offline stand-in for a language model, served over HTTP (DESIGN §7). Not an LM."""

from dspex_practice.api.options import PracticeOptions
from dspex_practice.server.server import PracticeServer, run_forever, serve

__all__ = ["PracticeOptions", "PracticeServer", "run_forever", "serve"]
