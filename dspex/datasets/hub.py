"""Hugging Face's ``datasets`` library, which is the user's to install."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def load_dataset(for_what: str) -> Callable[..., Any]:
    """Its function `load_dataset`.

    Raises:
        ImportError: it is not installed; `for_what` is named.
    """
    try:
        load: Callable[..., Any] = importlib.import_module("datasets").load_dataset
    except ImportError as error:
        raise ImportError(
            f"{for_what} is loaded with Hugging Face's library, which is not installed: pip install datasets."
        ) from error
    return load
