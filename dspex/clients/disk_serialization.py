"""Pickles that are read back only if they hold what is known to be harmless: for a cache on a disk that others share.

Plain data, the models in which the SDKs of OpenAI and litellm answer, numpy arrays and our own answers are read; of
all else only the types that the user names.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from typing import Any

from dspex.moved import present_place

_SDK_MODULES = ("litellm.types.", "openai.types.")
_NUMPY = frozenset(
    [
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    ]
)
_OURS = frozenset([("dspex.clients.canonical.answer", "Answer")])


class DeserializationError(Exception):
    """A cached value cannot be read back, or must not be."""


def restricted_load(data: bytes, safe_types: Collection[tuple[str, str]] = ()) -> Any:
    """Unpickle `data`, if it holds nothing but types that are known to be harmless.

    Args:
        data: The pickle, in bytes.
        safe_types: Further classes that it may hold, as pairs of module and qualified name.

    Raises:
        DeserializationError: it holds another type, or is damaged.
    """
    try:
        return _RestrictedUnpickler(data, safe_types).load()
    except DeserializationError:
        raise
    except Exception as error:
        raise DeserializationError(f"The cached value is damaged: {error}") from error


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, safe_types: Collection[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(data))
        self._allowed = _NUMPY | _OURS | frozenset(safe_types)

    def find_class(self, module: str, name: str) -> Any:
        module, name = present_place(module, name)
        if (module, name) in self._allowed or (module.startswith(_SDK_MODULES) and "." not in name):
            return super().find_class(module, name)
        raise DeserializationError(
            f"A cached value holds a {module}.{name}, which is not among the types that may be read. If it is yours, "
            "add it: dspex.configure_cache(restrict_pickle=True, safe_types=[...])."
        )
