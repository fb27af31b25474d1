"""Data sets as lists of examples: from files, from Hugging Face, and a few by name."""

from dspex.datasets.colors import Colors
from dspex.datasets.dataloader import DataLoader
from dspex.datasets.dataset import Dataset
from dspex.datasets.hotpotqa import HotPotQA
from dspex.datasets.math import MATH

__all__ = ["MATH", "Colors", "DataLoader", "Dataset", "HotPotQA"]
