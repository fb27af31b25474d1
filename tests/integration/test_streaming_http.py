"""Streaming over real HTTP: the practice model's server-sent events, cut as the server likes, through the client."""

from __future__ import annotations

from typing import Any

import pytest

import dspex
from dspex.errors import LMTransportError
from dspex.streaming import StreamListener, StreamResponse
from dspex_practice import PracticeServer
from dspex_practice.api.options import PracticeOptions


def lm_at(server: PracticeServer, **options: Any) -> dspex.LM:
    return dspex.LM("openai/practice", api_base=server.url, **{"cache": False, **options})


async def values_of(stream: Any) -> list[Any]:
    return [value async for value in stream]


@pytest.mark.parametrize("chars", [1, 3, 1000])
async def test_pieces_are_the_parsed_field_however_the_server_cuts(chars: int) -> None:
    with PracticeServer(PracticeOptions(chunk_chars=chars)) as server, dspex.context(lm=lm_at(server)):
        run = dspex.streamify(dspex.Predict("question -> answer"), stream_listeners=[StreamListener("answer")])
        values = await values_of(run(question="What is the capital of France?"))
    pieces = [value.chunk for value in values if isinstance(value, StreamResponse)]
    assert "".join(pieces) in (values[-1].answer, "")  # nothing, where the answer came in one piece
    assert bool(pieces) == (chars < 1000)


async def test_streamed_answer_is_the_posted_one_and_is_recorded(store: Any) -> None:
    with PracticeServer() as server:
        lm = lm_at(server, cache=True)
        with dspex.context(lm=lm):
            streamed = await values_of(dspex.streamify(dspex.Predict("question -> answer"))(question="x?"))
            posted = await dspex.Predict("question -> answer").acall(question="x?")
        assert server.stats()["calls"] == 1
        fresh = await dspex.Predict("question -> answer").acall(question="x?", lm=lm.copy(cache=False))
    assert streamed[-1].answer == posted.answer == fresh.answer
    assert lm.history[0]["usage"]["completion_tokens"] > 0


async def test_connection_cut_in_the_middle_is_not_tried_again_once_something_was_shown() -> None:
    with (
        PracticeServer(PracticeOptions(cut_rate=1.0, chunk_chars=2)) as server,
        dspex.context(lm=lm_at(server, num_retries=5)),
    ):
        run = dspex.streamify(dspex.Predict("question -> answer"))
        with pytest.raises(LMTransportError):
            await values_of(run(question="x?"))
        assert server.stats()["calls"] == 1


def test_synchronous_program_in_a_synchronous_stream() -> None:
    with PracticeServer(PracticeOptions(chunk_chars=2)) as server, dspex.context(lm=lm_at(server)):
        run = dspex.streamify(
            dspex.ChainOfThought("question -> answer"),
            stream_listeners=[StreamListener("reasoning"), StreamListener("answer")],
            async_streaming=False,
        )
        values = list(run(question="x?"))
    for field in ("reasoning", "answer"):
        heard = [one.chunk for one in values[:-1] if one.signature_field_name == field]
        assert "".join(heard) == values[-1][field]
