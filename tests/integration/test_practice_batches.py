"""Batches of the practice model in all three formats, made and read by the providers' own clients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.messages import MessageBatch
from google.genai import errors, types
from google.genai.types import BatchJob
from openai.types import Batch
from practice_clients import anthropic_at, gemini_at, openai_at, patient, until

from dspex_practice import PracticeOptions, PracticeServer

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "cancelled")
QUESTIONS = [f"What is {word}? It is {word} that I mean." for word in ("red", "green", "blue", "grey")]


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer() as running:
        yield running


def chat_line(key: str, question: str, url: str = CHAT) -> dict[str, Any]:
    body = {"model": "any", "messages": [{"role": "user", "content": question}]}
    return {"custom_id": key, "method": "POST", "url": url, "body": body}


def upload(client: openai.OpenAI, lines: Sequence[Any]) -> str:
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return patient(lambda: client.files.create(file=("in.jsonl", data), purpose="batch")).id


def submit(client: openai.OpenAI, lines: Sequence[Any], endpoint: Any = CHAT) -> Batch:
    file = upload(client, lines)
    about: Any = {"input_file_id": file, "endpoint": endpoint, "completion_window": "24h", "metadata": {"run": "one"}}
    return patient(lambda: client.batches.create(**about))


def finished(client: openai.OpenAI, batch: Batch) -> Batch:
    return until(lambda: patient(lambda: client.batches.retrieve(batch.id)), lambda found: found.status in ENDED)


def read(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    text = patient(lambda: client.files.content(file_id)).text
    return {line["custom_id"]: line for line in map(json.loads, text.splitlines())}


def test_openai_answers_each_line_as_it_would_answer_the_request(server: PracticeServer) -> None:
    client = openai_at(server)
    batch = finished(client, submit(client, [chat_line(f"row-{i}", text) for i, text in enumerate(QUESTIONS)]))
    assert (batch.status, batch.error_file_id, batch.metadata) == ("completed", None, {"run": "one"})
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (4, 4, 0)
    for i, question in enumerate(QUESTIONS):
        line = read(client, batch.output_file_id)[f"row-{i}"]
        alone = client.chat.completions.create(model="any", messages=[{"role": "user", "content": question}])
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"] == json.loads(alone.to_json())
    assert batch.id in [each.id for each in client.batches.list()]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/embeddings", {"model": "any", "input": "hi"}),
        ("/v1/completions", {"model": "any", "prompt": "hi"}),
        ("/v1/responses", {"model": "any", "input": "hi"}),
    ],
)
def test_openai_batches_take_other_endpoints_too(server: PracticeServer, endpoint: str, body: Any) -> None:
    client = openai_at(server)
    line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    batch = finished(client, submit(client, [line], endpoint))
    assert read(client, batch.output_file_id)["a"]["response"]["status_code"] == 200


def test_openai_lines_fail_one_by_one() -> None:
    with PracticeServer(PracticeOptions(error_rate=0.5, seed=2)) as failing:
        lines = [chat_line(f"row-{i}", f"hi {i}") for i in range(40)]
        client = openai_at(failing)
        batch = finished(client, submit(client, lines))
        counts = failing.stats()["endpoints"]["chat/completions (batch)"]
        good, bad = read(client, batch.output_file_id), read(client, batch.error_file_id)
        again = finished(client, submit(client, [line for line in lines if line["custom_id"] in bad]))
        mended = read(client, again.output_file_id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (len(good), len(bad))
    assert good.keys() | bad.keys() == {line["custom_id"] for line in lines}
    assert {line["response"]["status_code"] for line in bad.values()} == {500}
    assert (counts["calls"], counts["refused"]) == (40, len(bad))
    assert mended.keys() < bad.keys()  # a line that is sent again is drawn anew


def test_an_openai_batch_of_wrong_lines_fails_and_names_them(server: PracticeServer) -> None:
    client = openai_at(server)
    wrong = [chat_line("a", "hi"), b"{oops", chat_line("a", "ho"), chat_line("b", "hi", url="/v1/embeddings")]
    batch = finished(client, submit(client, wrong))
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert batch.errors is not None
    assert [each.line for each in batch.errors.data or []] == [2, 3, 4]


def test_an_openai_batch_can_be_cancelled_and_keeps_what_it_has() -> None:
    with PracticeServer(PracticeOptions(batch_seconds=4000)) as slow:
        client = openai_at(slow)
        batch = submit(client, [chat_line(f"row-{i}", "hi") for i in range(4)])
        assert (
            until(lambda: client.batches.retrieve(batch.id), lambda b: b.status != "validating").status == "in_progress"
        )
        assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
        ended = finished(client, batch)
    assert (ended.status, ended.output_file_id) == ("cancelled", None)
    assert ended.cancelling_at is not None


def test_the_counts_of_a_batch_grow_until_it_is_complete() -> None:
    with PracticeServer(PracticeOptions(batch_seconds=0.3)) as slow:
        client = openai_at(slow)
        seen = [submit(client, [chat_line(f"row-{i}", f"hi {i}") for i in range(8)])]
        while seen[-1].status not in ENDED:
            seen.append(client.batches.retrieve(seen[0].id))
    done = [each.request_counts.completed for each in seen if each.request_counts is not None]
    assert done == sorted(done)
    assert done[-1] == 8
    assert seen[0].status == "validating"


def test_a_batch_twice_is_counted_as_paid_twice(server: PracticeServer) -> None:
    server.reset_stats()
    client = openai_at(server)
    for _ in range(2):
        finished(client, submit(client, [chat_line("a", "twice?")]))
    stats = server.stats()
    assert (stats["calls"], stats["distinct_requests"], stats["duplicates"]) == (2, 1, 1)
    assert stats["endpoints"]["batches"]["duplicates"] == 0  # two files, so two requests


def test_an_unknown_batch_and_file_are_not_found(server: PracticeServer) -> None:
    client = openai_at(server)
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")


def anthropic_requests(texts: Sequence[str], **more: Any) -> list[Any]:
    return [
        {
            "custom_id": f"row-{i}",
            "params": {"model": "any", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more},
        }
        for i, text in enumerate(texts)
    ]


def ended_message_batch(client: anthropic.Anthropic, batch: MessageBatch) -> MessageBatch:
    return until(
        lambda: patient(lambda: client.messages.batches.retrieve(batch.id)),
        lambda found: found.processing_status == "ended",
    )


def test_anthropic_answers_each_request(server: PracticeServer) -> None:
    client = anthropic_at(server)
    batch = ended_message_batch(client, client.messages.batches.create(requests=anthropic_requests(QUESTIONS)))
    assert (batch.request_counts.succeeded, batch.request_counts.processing) == (4, 0)
    results: dict[str, Any] = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    for i, question in enumerate(QUESTIONS):
        alone = client.messages.create(model="any", max_tokens=50, messages=[{"role": "user", "content": question}])
        message = results[f"row-{i}"].message
        assert message.content == alone.content
        assert message.usage.service_tier == "batch"
    assert batch.id in [each.id for each in client.messages.batches.list()]
    assert client.messages.batches.delete(batch.id).id == batch.id


def test_anthropic_requests_fail_one_by_one() -> None:
    with PracticeServer(PracticeOptions(error_rate=0.5)) as failing:
        client = anthropic_at(failing)
        asked = anthropic_requests([f"hi {i}" for i in range(20)])
        asked.append({"custom_id": "wrong", "params": {"model": "any", "messages": []}})
        batch = ended_message_batch(client, patient(lambda: client.messages.batches.create(requests=asked)))
        results = {each.custom_id: each.result for each in patient(lambda: client.messages.batches.results(batch.id))}
    kinds = {key: result.type for key, result in results.items()}
    assert len(results) == 21
    assert set(kinds.values()) == {"succeeded", "errored"}
    assert list(kinds.values()).count("errored") == batch.request_counts.errored
    assert results["wrong"].error.error.type == "invalid_request_error"  # type: ignore[union-attr]


def test_an_anthropic_batch_can_be_cancelled_and_its_results_wait_for_the_end() -> None:
    with PracticeServer(PracticeOptions(batch_seconds=4000)) as slow:
        client = anthropic_at(slow)
        batch = client.messages.batches.create(requests=anthropic_requests(QUESTIONS))
        assert (batch.processing_status, batch.results_url, batch.request_counts.processing) == ("in_progress", None, 4)
        client.messages.batches.cancel(batch.id)
        ended = ended_message_batch(client, batch)
        results = [each.result.type for each in client.messages.batches.results(batch.id)]
    assert results == ["canceled"] * 4
    assert ended.request_counts.canceled == 4
    assert ended.cancel_initiated_at is not None


def test_anthropic_refuses_two_requests_of_one_name(server: PracticeServer) -> None:
    twice = anthropic_requests(["hi"]) * 2
    with pytest.raises(anthropic.BadRequestError, match="duplicate custom_id"):
        anthropic_at(server).messages.batches.create(requests=twice)


def gemini_requests(texts: Sequence[str]) -> list[Any]:
    return [
        {"contents": [{"role": "user", "parts": [{"text": text}]}], "metadata": {"key": f"row-{i}"}}
        for i, text in enumerate(texts)
    ]


def ended_job(client: Any, job: BatchJob) -> BatchJob:
    return until(lambda: patient(lambda: client.batches.get(name=job.name)), lambda found: bool(found.done))


def test_gemini_answers_each_request_in_order(server: PracticeServer) -> None:
    client = gemini_at(server)
    made = client.batches.create(model="any", src=gemini_requests(QUESTIONS), config={"display_name": "four"})
    job = ended_job(client, made)
    assert (job.state, job.display_name) == (types.JobState.JOB_STATE_SUCCEEDED, "four")
    assert job.dest is not None
    responses = job.dest.inlined_responses or []
    assert [each.metadata for each in responses] == [{"key": f"row-{i}"} for i in range(4)]
    alone = [client.models.generate_content(model="any", contents=text).text for text in QUESTIONS]
    assert [each.response.text for each in responses if each.response] == alone
    assert job.name in [each.name for each in client.batches.list()]
    client.batches.delete(name=job.name or "")
    with pytest.raises(errors.ClientError) as gone:
        client.batches.get(name=job.name or "")
    assert (gone.value.code, gone.value.status) == (404, "NOT_FOUND")


def test_gemini_takes_and_gives_files(server: PracticeServer, tmp_path: Any) -> None:
    client = gemini_at(server)
    path = tmp_path / "in.jsonl"
    lines = [
        {"key": f"row-{i}", "request": {"contents": [{"parts": [{"text": text}]}]}} for i, text in enumerate(QUESTIONS)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    file = client.files.upload(file=path, config={"display_name": "in", "mime_type": "jsonl"})
    assert client.files.get(name=file.name or "").size_bytes == path.stat().st_size
    job = ended_job(client, client.batches.create(model="any", src=file.name))
    assert job.dest is not None
    data = client.files.download(file=job.dest.file_name or "")
    results = [json.loads(line) for line in data.splitlines()]
    assert [result["key"] for result in results] == [f"row-{i}" for i in range(4)]
    assert all("candidates" in result["response"] for result in results)


def test_gemini_requests_fail_one_by_one() -> None:
    with PracticeServer(PracticeOptions(error_rate=0.5, seed=1)) as failing:
        client = gemini_at(failing)
        asked = gemini_requests([f"hi {i}" for i in range(20)])
        job = ended_job(client, patient(lambda: client.batches.create(model="any", src=asked)))
    assert job.dest is not None
    responses = job.dest.inlined_responses or []
    good = [each for each in responses if each.response is not None]
    bad = [each.error.code for each in responses if each.error is not None]
    assert len(good) + len(bad) == 20
    assert set(bad) == {500}
    assert good


def test_a_gemini_batch_can_be_cancelled() -> None:
    with PracticeServer(PracticeOptions(batch_seconds=4000)) as slow:
        client = gemini_at(slow)
        job = client.batches.create(model="any", src=gemini_requests(QUESTIONS))
        assert not job.done
        client.batches.cancel(name=job.name or "")
        assert ended_job(client, job).state is types.JobState.JOB_STATE_CANCELLED
