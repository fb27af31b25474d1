"""`JobSpec`: what is to be trained on what, where, and with which parameters. Equal specs are one job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from dspex.finetuning.params import TrainParams
from dspex.finetuning.training_file import FileFacts

SPEC_DIGEST = "dspex"
"""The key in the provider's metadata of a job under which the spec's digest is."""
STARTER = "dspex_start"
"""The key in the provider's metadata of a job under which the name of the start that created it is."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A fine-tuning job, specified.

    Attributes:
        base_url: The address of the API.
        model: The provider's own name of the model to train.
        file: The training file.
        params: What else the job is created with.
    """

    base_url: str
    model: str
    file: FileFacts
    params: TrainParams

    @property
    def digest(self) -> str:
        """A hash that is the same in any process: by it the job is known in the store and at the provider."""
        parts = [self.base_url, self.model, self.file.sha, dict(self.params.fields)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def run_id(self) -> str:
        """The id of the run under which the store keeps the job's record."""
        return f"finetune-{self.digest[:16]}"

    @property
    def suffix(self) -> str:
        """The suffix of the trained model's name: the user's, or one made of the digest."""
        return str(self.params.fields.get("suffix") or f"dspex-{self.digest[:10]}")

    def request(self, file_id: str, starter: str) -> dict[str, Any]:
        """The body that creates the job.

        Args:
            file_id: The provider's id of the training file.
            starter: The name of the start that creates it: see `dspex.finetuning.training.Training`.
        """
        fields = dict(self.params.fields)
        metadata = {**(fields.pop("metadata", None) or {}), SPEC_DIGEST: self.digest, STARTER: starter}
        fields["suffix"] = self.suffix
        return {"model": self.model, "training_file": file_id, **fields, "metadata": metadata}
