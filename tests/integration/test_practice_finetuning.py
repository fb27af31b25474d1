"""Fine-tuning the practice model with OpenAI's own client: a trained model answers better."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob
from practice_clients import openai_at, until

from dspex_practice import PracticeOptions, PracticeServer

DATA = Path(__file__).resolve().parents[2] / "examples" / "support_intents"
ENDED = ("succeeded", "failed", "cancelled")
HEAD = (
    "Your input fields are:\n1. `message` (str):\nYour output fields are:\n1. `intent` (str):\n"
    "All interactions will be structured in the following way, with the appropriate values filled in.\n\n"
    "[[ ## message ## ]]\n{message}\n\n[[ ## intent ## ]]\n{intent}\n\n[[ ## completed ## ]]\n"
    "In adhering to this structure, your objective is: \n        Given the fields `message`, produce `intent`."
)


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer() as running:
        yield running


def rows(name: str, most: int) -> list[dict[str, str]]:
    with (DATA / f"{name}.jsonl").open() as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most), strict=False)]


def messages(row: dict[str, str], *, answered: bool) -> list[Any]:
    asked = [{"role": "system", "content": HEAD}, {"role": "user", "content": f"[[ ## message ## ]]\n{row['message']}"}]
    answer = f"[[ ## intent ## ]]\n{row['intent']}\n\n[[ ## completed ## ]]"
    return [*asked, {"role": "assistant", "content": answer}] if answered else asked


def upload(client: openai.OpenAI, lines: Sequence[Any]) -> str:
    data = "\n".join(map(json.dumps, lines)).encode()
    return client.files.create(file=("train.jsonl", data), purpose="fine-tune").id


def finished(client: openai.OpenAI, job: FineTuningJob) -> FineTuningJob:
    return until(lambda: client.fine_tuning.jobs.retrieve(job.id), lambda found: found.status in ENDED)


def share_right(client: openai.OpenAI, model: str, asked: Sequence[dict[str, str]]) -> float:
    right = 0
    for row in asked:
        found = client.chat.completions.create(model=model, messages=messages(row, answered=False))
        right += f"\n{row['intent']}\n" in (found.choices[0].message.content or "")
    return right / len(asked)


def test_a_trained_model_answers_better_and_the_base_model_as_before(server: PracticeServer) -> None:
    client = openai_at(server)
    asked = rows("heldout", 30)
    before = share_right(client, "practice", asked)
    file = upload(client, [{"messages": messages(row, answered=True)} for row in rows("train", 200)])
    job = finished(client, client.fine_tuning.jobs.create(model="practice", training_file=file, suffix="triage"))
    assert job.status == "succeeded"
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.startswith("ft:practice:dspex:triage:")
    assert job.trained_tokens is not None
    assert job.trained_tokens > 1000
    assert share_right(client, job.fine_tuned_model, asked) >= before + 0.4
    assert share_right(client, "practice", asked) == before
    assert job.fine_tuned_model in [model.id for model in client.models.list()]


def test_a_job_tells_what_happened_newest_first(server: PracticeServer) -> None:
    client = openai_at(server)
    file = upload(client, [{"messages": messages(row, answered=True)} for row in rows("train", 10)])
    job = finished(client, client.fine_tuning.jobs.create(model="practice", training_file=file, seed=7))
    said = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert said[0] == "The job has successfully completed"
    assert said[-1] == f"Created fine-tuning job: {job.id}"
    assert len(list(client.fine_tuning.jobs.list_events(job.id, limit=2))) == len(said)  # page after page
    assert job.seed == 7
    assert job.id in [each.id for each in client.fine_tuning.jobs.list()]


def test_a_job_with_a_wrong_file_fails_and_names_the_line(server: PracticeServer) -> None:
    client = openai_at(server)
    good, bad = ({"messages": messages(rows("train", 1)[0], answered=answered)} for answered in (True, False))
    job = finished(client, client.fine_tuning.jobs.create(model="practice", training_file=upload(client, [good, bad])))
    assert (job.status, job.fine_tuned_model) == ("failed", None)
    assert job.error is not None
    assert job.error.code == "invalid_training_file"
    assert "Line 2" in job.error.message


def test_a_job_can_be_cancelled_once() -> None:
    with PracticeServer(PracticeOptions(tuning_seconds=4000)) as slow:
        client = openai_at(slow)
        file = upload(client, [{"messages": messages(rows("train", 1)[0], answered=True)}])
        job = client.fine_tuning.jobs.create(model="practice", training_file=file)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id), lambda found: found.status == "running")
        cancelled = client.fine_tuning.jobs.cancel(job.id)
        assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)
        with pytest.raises(openai.BadRequestError):
            client.fine_tuning.jobs.cancel(job.id)


def test_a_model_that_was_never_trained_is_not_found(server: PracticeServer) -> None:
    client = openai_at(server)
    with pytest.raises(openai.NotFoundError) as caught:
        share_right(client, "ft:practice:dspex::none", rows("heldout", 1))
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.create(model="practice", training_file="file-none")
