"""The practice model speaks OpenAI's wire format to OpenAI's own client, and fails on demand as that API fails."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import openai
import pytest
from support.waiting import wait_until

from dspex_practice import OptionError, PracticeOptions, PracticeServer

KEY = "practice-key"


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer(PracticeOptions(api_key=KEY)) as running:
        yield running


@pytest.fixture
def client(server: PracticeServer) -> openai.OpenAI:
    server.reset_stats()
    return openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0)


def calling(server: PracticeServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0)


def ask(client: openai.OpenAI, text: str, **more: Any) -> Any:
    return client.chat.completions.create(model="any-model", messages=[{"role": "user", "content": text}], **more)


def raw(server: PracticeServer, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request(method, path, body, {"Authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()
    return response.status, found


def test_a_chat_completion_has_every_part(client: openai.OpenAI) -> None:
    completion = ask(client, "What is red? The bus is red. The tram is green.")
    assert completion.model == "any-model"
    assert completion.system_fingerprint == "dspex-practice-model"
    [choice] = completion.choices
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


def test_n_choices_are_numbered(client: openai.OpenAI) -> None:
    assert [choice.index for choice in ask(client, "hi", n=3, temperature=1).choices] == [0, 1, 2]


def test_identical_requests_are_answered_alike_and_counted_as_duplicates(
    client: openai.OpenAI, server: PracticeServer
) -> None:
    first, second, other = (ask(client, "hi", temperature=1, seed=seed) for seed in (1, 1, 2))
    assert first.model_dump() == second.model_dump()
    assert first.id != other.id
    stats = server.stats()
    assert {name: stats[name] for name in ("calls", "answered", "distinct_requests", "duplicates")} == {
        "calls": 3,
        "answered": 3,
        "distinct_requests": 2,
        "duplicates": 1,
    }
    assert stats["prompt_tokens"] == sum(each.usage.prompt_tokens for each in (first, second, other))


def test_a_schema_is_kept_to(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "green"]}, "count": {"type": "integer"}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    completion = ask(client, "a green tram", response_format=wanted)
    assert json.loads(completion.choices[0].message.content) == {"colour": "green", "count": 0}


def test_a_streamed_answer_is_the_same_text(client: openai.OpenAI, server: PracticeServer) -> None:
    whole = ask(client, "The longest day of the year is in June. When is it?").choices[0].message.content
    chunks = list(
        ask(
            client,
            "The longest day of the year is in June. When is it?",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0
    assert server.stats()["answered"] == 2


def test_an_answer_is_cut_at_max_tokens(client: openai.OpenAI) -> None:
    [choice] = ask(client, "a long sentence about nothing much at all", max_tokens=2).choices
    assert (choice.finish_reason, len(choice.message.content)) == ("length", 8)


def test_the_model_is_listed_as_what_it_is(client: openai.OpenAI) -> None:
    assert [(model.id, model.owned_by) for model in client.models.list()] == [("practice", "dspex")]


def test_a_wrong_key_is_refused_and_not_repeated(server: PracticeServer) -> None:
    wrong = openai.OpenAI(base_url=server.url, api_key="sk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(wrong, "hi")
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)


def test_a_bad_request_names_its_part(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "hi", temperature=9)
    assert (caught.value.param, caught.value.type) == ("temperature", "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", b"{oops", 400),
        ("POST", "/chat/completions", b"[]", 400),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/nothing", b"", 404),
        ("GET", "/health", b"", 200),
        ("GET", "/stats", b"", 200),
        ("POST", "/stats/reset", b"", 200),
    ],
)
def test_every_path_answers_in_json(server: PracticeServer, method: str, path: str, body: bytes, status: int) -> None:
    found_status, found = raw(server, method, path, body)
    assert found_status == status
    assert ("error" in found) == (status >= 400)


def test_a_training_set_in_one_prompt_is_no_problem(client: openai.OpenAI) -> None:
    text = "\n".join(f"message: parcel number {i} is late\nintent: late_parcel" for i in range(40_000))
    assert ask(client, text).usage.prompt_tokens > 250_000


def test_injected_errors_are_openai_errors() -> None:
    seen: dict[int, openai.APIStatusError] = {}
    with PracticeServer(PracticeOptions(error_rate=1, retry_after=2.5)) as failing:
        for i in range(20):
            with pytest.raises(openai.APIStatusError) as caught:
                ask(calling(failing), f"hi {i}")
            seen[caught.value.status_code] = caught.value
        errors = failing.stats()["errors"]
    assert set(seen) == {429, 500, 503}
    assert seen[429].response.headers["retry-after"] == "3"
    assert seen[429].response.headers["retry-after-ms"] == "2500"
    assert seen[429].code == "rate_limit_exceeded"
    assert sum(errors.values()) == 20


def test_openais_client_gets_through_errors_by_itself() -> None:
    with PracticeServer(PracticeOptions(error_rate=0.4, retry_after=0.001)) as failing:
        patient = openai.OpenAI(base_url=failing.url, api_key=KEY, max_retries=20)
        assert ask(patient, "hi").choices[0].message.content == "hi"


def test_a_rate_limit_refuses_the_rest_and_says_when_to_come_back() -> None:
    with PracticeServer(PracticeOptions(rpm=1)) as limited:
        first = calling(limited).chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "hi"}]
        )
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        with pytest.raises(openai.RateLimitError) as caught:
            ask(calling(limited), "ho")
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_is_a_broken_connection_and_not_answered(stream: bool) -> None:
    with PracticeServer(PracticeOptions(cut_rate=1)) as cutting:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
        parts = urlsplit(cutting.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.request("POST", "/v1/chat/completions", body)
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
        stats = cutting.stats()
    assert (stats["answered"], stats["errors"]) == (0, {"cut": 1})


def test_a_malformed_answer_is_a_good_response_without_the_fields() -> None:
    head = "Your input fields are:\n1. `q` (str):\nYour output fields are:\n1. `a` (str):\n[[ ## q ## ]]\n{q}"
    with PracticeServer(PracticeOptions(malformed_rate=1)) as malformed:
        completion = calling(malformed).chat.completions.create(
            model="m", messages=[{"role": "system", "content": head}, {"role": "user", "content": "[[ ## q ## ]]\nhi"}]
        )
        assert malformed.stats()["answered"] == 1
    assert "[[ ##" not in (completion.choices[0].message.content or "")


def test_calls_overlap_and_are_counted_while_they_do() -> None:
    with PracticeServer(PracticeOptions(latency=0.5)) as slow, ThreadPoolExecutor(8) as pool:
        client = calling(slow)
        list(pool.map(lambda i: ask(client, f"hi {i}"), range(8)))
        stats = slow.stats()
    assert stats["max_in_flight"] > 1
    assert (stats["in_flight"], stats["answered"]) == (0, 8)


def test_a_caller_that_has_gone_was_not_answered() -> None:
    with PracticeServer(PracticeOptions(latency=0.2)) as slow:
        parts = urlsplit(slow.url)
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
        with socket.create_connection((parts.hostname, parts.port)) as gone:
            gone.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            wait_until(lambda: slow.stats()["in_flight"] == 1)
        wait_until(lambda: slow.stats()["in_flight"] == 0)
        stats = slow.stats()
    assert (stats["answered"], stats["abandoned"]) == (0, 1)


def test_a_server_comes_back_on_its_port_and_counts_anew() -> None:
    with PracticeServer() as first:
        port = urlsplit(first.url).port or 0
        ask(calling(first), "hi")
    again = PracticeServer(PracticeOptions(port=port))
    for _ in range(2):
        with again:
            assert again.stats()["calls"] == 0
            ask(calling(again), "hi")


def test_a_port_in_use_is_said_so(server: PracticeServer) -> None:
    port = urlsplit(server.url).port or 0
    with pytest.raises(OptionError, match=f"Port {port} is in use"), PracticeServer(PracticeOptions(port=port)):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_of_its_own_serves_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dspex_practice", "--port", "0", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        request = Request(f"{url}/models")
        with urlopen(request) as response:
            assert json.load(response)["data"][0]["id"] == "practice"
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_wrong_options_end_the_process_with_status_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dspex_practice", "--error-rate", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error_rate is a share between 0 and 1")
