"""Our wire formats against a server not written here: the litellm proxy, which has OpenAI's, Anthropic's and Gemini's
faces. Behind it answers the practice model; so all faces must give the same answers.

The proxy needs packages that nothing else here does (``litellm[proxy]``): it is taken from this environment or, if
`DSPEX_LITELLM_PROXY` names the command, from another one.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex import errors
from dspex_practice import PracticeOptions, PracticeServer

KEY = "sk-proxy-0123456789"
FACES = ["openai", "anthropic", "gemini"]
START_SECONDS = 45.0
PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy, in front of a practice model of this process."""
    command = os.environ.get("DSPEX_LITELLM_PROXY") or str(Path(sys.executable).with_name("litellm"))
    if not Path(command).exists():
        pytest.skip("The litellm proxy is not installed")
    folder = tmp_path_factory.mktemp("proxy")
    port = free_port()
    with PracticeServer(PracticeOptions()) as practice:
        config = folder / "config.yaml"
        config.write_text(json.dumps(configuration(practice.url)))
        log = folder / "log.txt"
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
        arguments = [command, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(arguments, stdout=output, stderr=output, cwd=folder, env=environment)
        try:
            wait_for(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def configuration(url: str) -> dict[str, Any]:
    served = {"model": "openai/practice", "api_base": url, "api_key": "any"}
    return {
        "model_list": [
            {"model_name": "practice", "litellm_params": served},
            {"model_name": "mocked", "litellm_params": {**served, "mock_response": "Mocked."}},
        ],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "drop_params": True, "telemetry": False},
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_alive(port):
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            pytest.skip(f"The litellm proxy does not start: {last}")
        time.sleep(0.2)


def is_alive(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/liveliness")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def lm_of(face: str, proxy: str, model: str = "practice", **options: Any) -> dspex.LM:
    base = f"{proxy}/v1" if face == "openai" else proxy
    return dspex.LM(f"{face}/{model}", api_base=base, cache=False, num_retries=1, **{"api_key": KEY, **options})


QUESTION = "A word for the capital of France?"


@pytest.mark.parametrize("face", FACES)
def test_each_face_answers(proxy: str, face: str) -> None:
    lm = lm_of(face, proxy, "mocked")
    assert lm("hi") == ["Mocked."]
    assert lm.history[-1]["usage"]["prompt_tokens"] > 0
    assert lm.history[-1]["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("adapter", [dspex.ChatAdapter(), dspex.JSONAdapter()], ids=["chat", "json"])
def test_programs_answer_the_same_through_every_face(proxy: str, adapter: Any) -> None:
    program = dspex.Predict("question -> answer")
    program.demos = [dspex.Example(question="A word for a small river?", answer="brook").with_inputs("question")]
    found = {}
    for face in FACES:
        with dspex.context(lm=lm_of(face, proxy, temperature=0.0), adapter=adapter):
            found[face] = program(question=QUESTION).answer
    assert found["openai"]
    assert set(found.values()) == {found["openai"]}


@pytest.mark.parametrize("face", FACES)
def test_model_that_is_not_there_is_an_error_in_the_proxys_words(proxy: str, face: str) -> None:
    with pytest.raises(errors.LMInvalidRequestError, match="nobody") as caught:
        lm_of(face, proxy, model="nobody")("hi")
    assert caught.value.status in (400, 404)


@pytest.mark.parametrize("face", FACES)
def test_several_answers_are_given(proxy: str, face: str) -> None:
    found = lm_of(face, proxy, "mocked")("hi", n=2)
    assert found == ["Mocked."] * len(found)
    assert len(found) == (1 if face == "gemini" else 2)  # the proxy's Gemini face gives one whatever is asked


@pytest.mark.parametrize("face", FACES)
def test_pictures_and_conversations_are_taken(proxy: str, face: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
    said = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PNG}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": "look", "content": "a dot"},
        {"role": "user", "content": "So what is it?"},
    ]
    (text,) = lm_of(face, proxy)(messages=said)
    assert isinstance(text, str)


@pytest.mark.asyncio
@pytest.mark.parametrize("face", FACES)
async def test_stream_is_the_whole_answer_in_pieces(proxy: str, face: str) -> None:
    program = dspex.Predict("question -> answer")
    with dspex.context(lm=lm_of(face, proxy, temperature=0.0), adapter=dspex.ChatAdapter()):
        whole = (await program.acall(question=QUESTION)).answer
        listener = dspex.streaming.StreamListener(signature_field_name="answer")
        pieces: list[str] = []
        async for one in dspex.streamify(program, stream_listeners=[listener])(question=QUESTION):
            if isinstance(one, dspex.streaming.StreamResponse):
                pieces.append(one.chunk)
            elif isinstance(one, dspex.Prediction):
                assert one.answer == whole
    assert "".join(pieces).strip() == whole
