"""`FinetuneRequest`: what `LM.finetune` was asked for, and the `Training` that does it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.http.transport import RequestingTransport
from dspex.clients.wires.endpoints import parse_model, resolve
from dspex.clients.wires.openai.chat import OPENAI_CHAT
from dspex.errors import LMConfigurationError
from dspex.finetuning.api import FineTuningApi
from dspex.finetuning.job_record import JobRecordStore
from dspex.finetuning.job_spec import JobSpec
from dspex.finetuning.params import train_params
from dspex.finetuning.rows import Rules, rules_for
from dspex.finetuning.training import Training

if TYPE_CHECKING:
    from dspex.clients.lm import LM
    from dspex.clients.utils_finetune import TrainDataFormat
    from dspex.finetuning.training_file import FileFacts
    from dspex.store import Store


@dataclass(frozen=True)
class FinetuneRequest:
    """What `LM.finetune` was asked for, without the data.

    Attributes:
        lm: The LM whose address and key are used.
        model: The model to train.
        data_format: The format of the rows.
        train_kwargs: See `dspex.finetuning.params.train_params`.
    """

    lm: LM
    model: str
    data_format: TrainDataFormat | str | None
    train_kwargs: Mapping[str, Any]

    def rules(self) -> Rules:
        """The rules for the rows. Also checks the parameters, so that a typing error is found before the upload.

        Raises:
            UsageError: the format or a parameter is none of the API's.
        """
        train_params(self.train_kwargs)
        return rules_for(parse_model(self.model).wire_name, self.data_format)

    def training(self, file: FileFacts, store: Store, *, starter: str, workflow_id: str | None = None) -> Training:
        """The training of a file.

        Args:
            file: The training file.
            store: Where the job's record is kept.
            starter: Names this start: see `Training`.
            workflow_id: The durable run that does it, if there is one.

        Raises:
            LMConfigurationError: there is no address, or the transport cannot do what fine-tuning needs.
            LMNotConfiguredError: there is no key.
        """
        api = api_of(self.lm, self.model)
        spec = JobSpec(api.base_url, parse_model(self.model).wire_name, file, train_params(self.train_kwargs))
        return Training(spec, api, JobRecordStore(store, spec, workflow_id), starter)


def api_of(lm: LM, model: str) -> FineTuningApi:
    """The fine-tuning API where `lm` is served, with its key. Raises as `FinetuneRequest.training` does."""
    transport = lm.transport or default_transport()
    if not isinstance(transport, RequestingTransport):
        raise LMConfigurationError(
            f"Fine-tuning asks with GET and uploads a file, and the LM's transport, a {type(transport).__name__}, can "
            "only post. Give it a method `request` (dspex.clients.http.transport.RequestingTransport).",
            model=lm.model,
        )
    endpoint = resolve(parse_model(model), "chat", lm.api_base, lm.api_key_env, key=lm.api_key is not None)
    key = lm.api_key.reveal() if lm.api_key is not None else None
    if endpoint.key_variable is not None:
        key = os.environ[endpoint.key_variable]
    own = {**(lm.kwargs.get("headers") or {}), **(lm.kwargs.get("extra_headers") or {})}
    return FineTuningApi(endpoint.base, {**OPENAI_CHAT.headers(key), **own}, key, transport, lm.num_retries)


def model_name(trained: str) -> str:
    """The name by which an `LM` calls the model `trained`: bare (``ft:...``), as in DSPy, unless that is ambiguous."""
    return f"openai/{trained}" if "/" in trained else trained
