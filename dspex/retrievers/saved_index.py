"""A searchable corpus on disk: ``config.json``, ``corpus_embeddings.npy``, ``faiss_index.bin``. DSPy's format."""

from __future__ import annotations

import json
import logging
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dspex.errors import UsageError
from dspex.retrievers import faiss_index

logger = logging.getLogger("dspex.retrievers")

_CONFIG, _VECTORS, _INDEX = "config.json", "corpus_embeddings.npy", "faiss_index.bin"
_REQUIRED = ("k", "normalize", "corpus", "has_faiss_index")


class Saved(NamedTuple):
    """What a folder holds.

    Args:
        k: How many passages a search returns.
        normalize: Whether the vectors are normalized.
        corpus: The passages.
        embeddings: Their vectors, an array of (passages, dimensions).
        index: The FAISS index; None where there is none, or no FAISS to read it.
    """

    k: int
    normalize: bool
    corpus: list[str]
    embeddings: Any
    index: Any


def write(path: str | PathLike[str], k: int, normalize: bool, corpus: list[str], embeddings: Any, index: Any) -> None:
    """Write an index to a folder, in DSPy's format.

    Args:
        path: The folder; it is made if need be.
        k: How many passages a search returns.
        normalize: Whether the vectors are normalized.
        corpus: The passages.
        embeddings: Their vectors, an array of (passages, dimensions).
        index: The FAISS index, or None.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"k": k, "normalize": normalize, "corpus": list(corpus), "has_faiss_index": index is not None}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
    np.save(folder / _VECTORS, embeddings)
    if index is not None:
        faiss_index.faiss().write_index(index, str(folder / _INDEX))


def read(path: str | PathLike[str]) -> Saved:
    """Read what `write`, or DSPy, wrote.

    Raises:
        FileNotFoundError: the folder or a file in it is not there.
        UsageError: ``config.json`` lacks a setting, or corpus and vectors do not fit.
    """
    folder = Path(path)
    for what, place in (("Save directory", folder), ("Config file", folder / _CONFIG)):
        if not place.exists():
            raise FileNotFoundError(f"{what} not found: {place}")
    if not (folder / _VECTORS).exists():
        raise FileNotFoundError(f"Embeddings file not found: {folder / _VECTORS}")
    config = _config(folder / _CONFIG)
    embeddings = np.load(folder / _VECTORS)
    if len(embeddings) != len(config["corpus"]):
        raise UsageError(f"{folder}: {len(config['corpus'])} passages, but {len(embeddings)} vectors. Save it again.")
    index = _index(folder / _INDEX) if config["has_faiss_index"] else None
    return Saved(config["k"], config["normalize"], config["corpus"], embeddings, index)


def _config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UsageError(f"Invalid config: {path} is not JSON ({error}).") from None
    for name in _REQUIRED:
        if not isinstance(config, dict) or name not in config:
            raise UsageError(f"Invalid config: missing required field '{name}' in {path}")
    return config


def _index(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return faiss_index.faiss().read_index(str(path))
    except ImportError:
        logger.warning("%s is left alone, as FAISS is not installed: every passage will be compared.", path)
        return None
