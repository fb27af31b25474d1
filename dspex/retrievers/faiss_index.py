"""The FAISS index of a large corpus. FAISS is the user's to install."""

from __future__ import annotations

import importlib
import logging
from typing import Any

logger = logging.getLogger("dspex.retrievers")

_BYTES = 32
_BITS = 8
_MOST_PROBES = 16


def faiss() -> Any:
    """The library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise ImportError(
            "Please `pip install faiss-cpu` or increase `brute_force_threshold` to avoid FAISS."
        ) from None


def build(embeddings: Any) -> Any:
    """Build an index of product-quantized vectors in partitions, 16 of which are searched."""
    import numpy as np

    library = faiss()
    count, dimensions = embeddings.shape
    partitions = int(2 * np.sqrt(count))
    index = library.IndexIVFPQ(library.IndexFlatL2(dimensions), dimensions, partitions, _BYTES, _BITS)
    logger.info("Training a FAISS index with %d partitions on %d vectors of %d.", partitions, count, dimensions)
    index.train(embeddings)
    index.add(embeddings)
    index.nprobe = min(_MOST_PROBES, partitions)
    return index
