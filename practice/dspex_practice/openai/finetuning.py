"""OpenAI's fine-tuning jobs. A model that was trained here has the training file's examples in all of its prompts.

So training changes its answers as demos would: for the better, if the examples are like the questions. Checkpoints,
methods besides supervised training and integrations are missing; hyperparameters have no effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from dspex_practice.api import body as read
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.files import Files
from dspex_practice.api.paging import openai_page
from dspex_practice.api.wait import stopped_before
from dspex_practice.model.errors import BadRequestError, Reason, RefusedError
from dspex_practice.model.model import Model
from dspex_practice.model.tokens import count_tokens
from dspex_practice.openai.dialect import OPENAI
from dspex_practice.openai.training_file import read_examples

_ENDED = ("succeeded", "failed", "cancelled")


@dataclass(slots=True)
class StoredJob:
    """One job, in the words of the API."""

    id: str
    model: str
    training_file: str
    validation_file: str | None
    suffix: str
    created: float
    about: dict[str, Any]
    """Other fields of the request, which the answers repeat."""
    status: str = "validating_files"
    trained_model: str | None = None
    trained_tokens: int | None = None
    finished: float | None = None
    error: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class FineTuning:
    """The endpoints under ``/v1/fine_tuning/jobs``. A job takes `seconds`; `now` gives the time of day."""

    def __init__(self, practice_model: Model, files: Files, seconds: float, now: Callable[[], float]) -> None:
        self._model = practice_model
        self._files = files
        self._seconds = seconds
        self._now = now
        self._jobs: dict[str, StoredJob] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self.create = self._endpoint(self._create)
        self.list = self._endpoint(lambda call: json_answer(openai_page([*map(_object, self._newest())], call.query)))
        self.get = self._endpoint(lambda call: json_answer(_object(self._job(call))))
        self.cancel = self._endpoint(self._cancel)
        self.events = self._endpoint(lambda call: json_answer(openai_page(self._job(call).events[::-1], call.query)))

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("fine_tuning/jobs", OPENAI, answer)

    def _create(self, call: EndpointCall) -> EndpointResponse:
        body = read.load(call.raw)
        model = read.model_name(body)
        files = {name: body.get(name) for name in ("training_file", "validation_file")}
        training = self._files.get(read.text(body, "training_file"))
        if files["validation_file"] is not None:
            self._files.get(str(files["validation_file"]))
        method = read.mapping(body, "method") or {"type": "supervised"}
        if method.get("type") != "supervised":
            raise BadRequestError("The practice model can only be trained by method supervised.", "method.type")
        digest = blake2b(f"{len(self._jobs)} {model} {training.id}".encode(), digest_size=12).hexdigest()
        about = {name: body.get(name) for name in ("hyperparameters", "seed", "metadata")} | {"method": method}
        suffix = str(body.get("suffix") or "")
        job = StoredJob(f"ftjob-{digest}", model, training.id, files["validation_file"], suffix, self._now(), about)
        self._jobs[job.id] = job
        self._note(job, f"Created fine-tuning job: {job.id}")
        task = asyncio.get_running_loop().create_task(self._work(job, training.data))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return json_answer(_object(job))

    async def _work(self, job: StoredJob, data: bytes) -> None:
        try:
            examples = read_examples(data)
        except BadRequestError as error:
            job.error = {"code": "invalid_training_file", "message": str(error), "param": "training_file"}
            return self._end(job, "failed", str(error))
        job.status = "running"
        self._note(job, "Fine-tuning job started")
        if await stopped_before(job.created + self._seconds, job.stop, self._now):
            return None
        job.trained_model = f"ft:{job.model}:dspex:{job.suffix}:{job.id.removeprefix('ftjob-')[:8]}"
        job.trained_tokens = sum(count_tokens(turn.text) for turn in examples)
        self._model.learn(job.trained_model, examples)
        self._note(job, f"New fine-tuned model created: {job.trained_model}")
        return self._end(job, "succeeded", "The job has successfully completed")

    def _cancel(self, call: EndpointCall) -> EndpointResponse:
        job = self._job(call)
        if job.status in _ENDED:
            raise BadRequestError(f"Job has already completed: {job.id}")
        job.stop.set()
        self._end(job, "cancelled", "The job was cancelled")
        return json_answer(_object(job))

    def _end(self, job: StoredJob, status: str, message: str) -> None:
        job.status, job.finished = status, self._now()
        self._note(job, message, "error" if status == "failed" else "info")

    def _note(self, job: StoredJob, message: str, level: str = "info") -> None:
        event_id = f"ftevent-{job.id.removeprefix('ftjob-')}{len(job.events)}"
        event = {"object": "fine_tuning.job.event", "id": event_id, "created_at": int(self._now())}
        job.events.append({**event, "level": level, "message": message, "type": "message", "data": {}})

    def _job(self, call: EndpointCall) -> StoredJob:
        job_id = call.parts["id"]
        if job_id not in self._jobs:
            raise RefusedError(Reason.NO_SUCH, f"Could not find fine tune: {job_id}", param="fine_tuning_job_id")
        return self._jobs[job_id]

    def _newest(self) -> list[StoredJob]:
        return list(self._jobs.values())[::-1]


def _object(job: StoredJob) -> dict[str, Any]:
    given = job.about["hyperparameters"] or {}
    auto = {name: given.get(name, "auto") for name in ("n_epochs", "batch_size", "learning_rate_multiplier")}
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "model": job.model,
        "created_at": int(job.created),
        "finished_at": int(job.finished) if job.finished is not None else None,
        "fine_tuned_model": job.trained_model,
        "organization_id": "org-practice",
        "result_files": [],
        "status": job.status,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "hyperparameters": auto,
        "method": {"type": "supervised", "supervised": {"hyperparameters": auto}},
        "trained_tokens": job.trained_tokens,
        "error": job.error,
        "seed": job.about["seed"] if isinstance(job.about["seed"], int) else 0,
        "user_provided_suffix": job.suffix or None,
        "metadata": job.about["metadata"],
        "integrations": [],
    }
