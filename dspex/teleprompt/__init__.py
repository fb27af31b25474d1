"""The optimizers ("teleprompters")."""

from dspex.teleprompt.bootstrap import BootstrapFewShot, BootstrapState
from dspex.teleprompt.labeled import LabeledFewShot
from dspex.teleprompt.optimizer import Optimizer, OptimizerState
from dspex.teleprompt.teleprompt import Teleprompter

__all__ = ["BootstrapFewShot", "BootstrapState", "LabeledFewShot", "Optimizer", "OptimizerState", "Teleprompter"]
