"""Modules that ask a language model."""

from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.parallel import Parallel
from dspex.predict.parameter import Parameter
from dspex.predict.predict import Predict

__all__ = ["ChainOfThought", "Parallel", "Parameter", "Predict"]
