"""What is asked for: this data, for this model, at this address, with these parameters. Equal orders are one job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from dspex.finetuning.params import TrainParams
from dspex.finetuning.training_file import FileFacts

MARK = "dspex"
"""The name under which a job's metadata at the provider holds the order's digest."""
STARTER = "dspex_start"
"""And the name of who asked for it."""


@dataclass(frozen=True, slots=True)
class Order:
    """A fine-tuning to be had. `model` is the provider's own name of the model to train."""

    base_url: str
    model: str
    file: FileFacts
    params: TrainParams

    @property
    def digest(self) -> str:
        """The same for the same order, in any process: by it the job is known in the store and at the provider."""
        parts = [self.base_url, self.model, self.file.sha, dict(self.params.fields)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def run_id(self) -> str:
        """The name under which the store keeps how it goes."""
        return f"finetune-{self.digest[:16]}"

    @property
    def suffix(self) -> str:
        """What the trained model's name shows: the user's word, or the order's hash."""
        return str(self.params.fields.get("suffix") or f"dspex-{self.digest[:10]}")

    def request(self, file_id: str, starter: str) -> dict[str, Any]:
        """The body that creates the job."""
        fields = dict(self.params.fields)
        metadata = {**(fields.pop("metadata", None) or {}), MARK: self.digest, STARTER: starter}
        fields["suffix"] = self.suffix
        return {"model": self.model, "training_file": file_id, **fields, "metadata": metadata}
