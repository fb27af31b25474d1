"""Finding passages: `Retrieve` asks the configured retrieval model, `Embeddings` searches a corpus of its own."""

from dspex.retrievers.embeddings import Embeddings, EmbeddingsWithScores
from dspex.retrievers.retrieve import Retrieve

__all__ = ["Embeddings", "EmbeddingsWithScores", "Retrieve"]
