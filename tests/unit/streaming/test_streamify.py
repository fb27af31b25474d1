"""Streamed programs: what their readers get, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from streaming_fakes import DONE, answer, delta, fields, streaming_lm

import dspex
from dspex.clients.calls import abandonment
from dspex.errors import LMServerError, UsageError
from dspex.streaming import StatusMessage, StatusMessageProvider, StreamListener, StreamResponse, streaming_response


class Two(dspex.Module):
    """Answers, and judges the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspex.Predict("question -> answer")
        self.second = dspex.Predict("question, answer -> judgement")

    def forward(self, question: str) -> Any:
        given = self.first(question=question)
        return self.second(question=question, answer=given.answer)


class TwoAsync(Two):
    async def aforward(self, question: str) -> Any:
        given = await self.first.acall(question=question)
        return await self.second.acall(question=question, answer=given.answer)


def text_of(values: list[Any], field: str) -> str:
    return "".join(one.chunk for one in values if isinstance(one, StreamResponse) and one.signature_field_name == field)


async def collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in stream]


@pytest.mark.parametrize("program", [Two, TwoAsync])
async def test_listeners_hear_their_fields_of_their_predictors(program: type[Two]) -> None:
    lm = streaming_lm(fields(answer="Paris, of course"), fields(judgement="right"))
    listeners = [StreamListener("answer"), StreamListener("judgement")]
    run = dspex.streamify(program(), stream_listeners=listeners, is_async_program=program is TwoAsync)
    with dspex.context(lm=lm):
        values = await collected(run(question="capital of France?"))
    assert text_of(values, "answer") == "Paris, of course"
    assert text_of(values, "judgement") == "right"
    assert [(one.predict_name, one.is_last_chunk) for one in values if isinstance(one, StreamResponse)][-1] == (
        "second",
        True,
    )
    assert values[-1].judgement == "right"


async def test_only_predictors_that_are_listened_to_are_streamed() -> None:
    posting = dspex.LM("openai/gpt-4o-mini", api_base="http://x.test/v1", cache=False, transport=Posting("first"))
    program = Two()
    program.first.lm, program.second.lm = posting, streaming_lm(fields(judgement="right"))
    values = await collected(dspex.streamify(program, stream_listeners=[StreamListener("judgement")])(question="?"))
    assert text_of(values, "judgement") == "right"


class Posting:
    """Answers in one piece, and cannot stream."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def post(self, url: str, headers: Any, body: bytes, timeout: float) -> Any:
        import json

        from dspex.clients.http.transport import RawResponse

        assert b'"stream"' not in body
        message = {"content": f"[[ ## answer ## ]]\n{self.text}\n\n[[ ## completed ## ]]"}
        return RawResponse(200, {}, json.dumps({"choices": [{"message": message}]}).encode())


async def test_without_listeners_the_chunks_come_as_they_are() -> None:
    with dspex.context(lm=streaming_lm(answer("[[ ## answer ## ]]\n", "Par", "is"))):
        values = await collected(dspex.streamify(dspex.Predict("question -> answer"))(question="?"))
    assert [one.choices[0].delta.content for one in values[:-1]] == ["", "[[ ## answer ## ]]\n", "Par", "is", None]
    assert [one.choices[0].finish_reason for one in values[:-1]][-2:] == [None, "stop"]
    assert isinstance(values[-1], dspex.Prediction)


async def test_final_prediction_can_be_left_out_if_something_was_streamed() -> None:
    predict = dspex.Predict("question -> answer")
    run = dspex.streamify(
        predict, stream_listeners=[StreamListener("answer")], include_final_prediction_in_output_stream=False
    )
    with dspex.context(lm=streaming_lm(fields(answer="Paris"), answer("[[ ## answer ## ]]\nParis"))):
        streamed = await collected(run(question="?"))
        in_one_piece = await collected(run(question="?"))
    assert not [value for value in streamed if isinstance(value, dspex.Prediction)]
    assert [type(value) for value in in_one_piece] == [dspex.Prediction]


async def test_answer_from_the_ledger_is_not_streamed(store: Any) -> None:
    run = dspex.streamify(dspex.Predict("question -> answer"), stream_listeners=[StreamListener("answer")])
    with dspex.context(lm=streaming_lm(fields(answer="Paris"), cache=True), track_usage=True):
        first = await collected(run(question="?"))
        second = await collected(run(question="?"))
    assert text_of(first, "answer") == "Paris"
    assert [value.answer for value in second] == ["Paris"]
    assert first[-1].get_lm_usage() == {
        "openai/gpt-4o-mini": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    }
    assert not second[-1].get_lm_usage()


async def test_concurrent_runs_do_not_mix() -> None:
    run = dspex.streamify(dspex.Predict("question -> answer"), stream_listeners=[StreamListener("answer")])

    async def one(number: int) -> str:
        with dspex.context(lm=streaming_lm(fields(answer=f"answer number {number}", cut=3))):
            return text_of(await collected(run(question=str(number))), "answer")

    assert await asyncio.gather(*map(one, range(12))) == [f"answer number {number}" for number in range(12)]


async def test_listener_hears_every_call_of_a_predictor_if_it_may() -> None:
    class Twice(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspex.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            self.predict(question=question)
            return self.predict(question=question)

    async def heard(reuse: bool) -> str:
        run = dspex.streamify(Twice(), stream_listeners=[StreamListener("answer", allow_reuse=reuse)])
        unmarked = answer("[[ ## answer ## ]]\n", "one", " and ")
        with dspex.context(lm=streaming_lm(unmarked, fields(answer="two"))):
            return text_of(await collected(run(question="?")), "answer")

    assert await heard(reuse=True) == "one andtwo"
    assert await heard(reuse=False) == "one and"


async def test_chunks_come_before_the_answer_is_whole() -> None:
    gate = asyncio.Event()
    begun = [delta("[[ ## answer ## ]]\n"), delta("Par"), gate, delta("is"), delta(finish="stop"), DONE]
    run = dspex.streamify(
        dspex.Predict("question -> answer"), stream_listeners=[StreamListener("answer")], is_async_program=True
    )
    with dspex.context(lm=streaming_lm(begun)):
        stream = run(question="?")
        assert (await anext(stream)).chunk == "Par"
        gate.set()
        assert text_of(await collected(stream), "answer") == "is"


async def test_what_the_program_raises_reaches_its_reader_after_what_came_before() -> None:
    broken = [delta("[[ ## answer ## ]]\n"), delta("Par"), delta("is"), LMServerError("fell over")]
    run = dspex.streamify(dspex.Predict("question -> answer"), stream_listeners=[StreamListener("answer")])
    seen = []
    with dspex.context(lm=streaming_lm(broken, num_retries=3)), pytest.raises(LMServerError, match="fell over"):
        async for value in run(question="?"):
            seen.append(value)  # noqa: PERF401 - what came before the error counts
    assert text_of(seen, "answer") == "Paris"


async def test_program_is_cancelled_when_its_reader_stops() -> None:
    never = asyncio.Event()
    stopped = asyncio.Event()

    class Waiting(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspex.Predict("question -> answer")

        async def aforward(self, question: str) -> Any:
            try:
                await self.predict.acall(question=question)
                await never.wait()
            finally:
                stopped.set()

    run = dspex.streamify(Waiting(), stream_listeners=[StreamListener("answer")], is_async_program=True)
    with dspex.context(lm=streaming_lm(fields(answer="Paris"))):
        stream = run(question="?")
        await anext(stream)
        await stream.aclose()
    async with asyncio.timeout(10):
        await stopped.wait()


async def test_synchronous_program_asks_no_more_when_its_reader_has_gone() -> None:
    gone, ended = threading.Event(), threading.Event()
    lm = streaming_lm(fields(answer="one"), fields(answer="two"))

    class Asking(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspex.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            try:
                self.predict(question=question)
                gone.wait(10)
                self.predict(question=question)
            finally:
                ended.set()

    with dspex.context(lm=lm):
        stream = dspex.streamify(Asking(), stream_listeners=[StreamListener("answer")])(question="?")
        await anext(stream)
        await stream.aclose()
    gone.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert len(lm.transport.sent) == 1  # type: ignore[union-attr]
    abandonment.refuse_if_abandoned()  # nobody else is concerned


def test_synchronous_stream_of_any_program() -> None:
    posting = dspex.LM("openai/gpt-4o-mini", api_base="http://x.test/v1", cache=False, transport=Judging())
    program_lm = streaming_lm(fields(answer="Paris"))
    with dspex.context(lm=program_lm):
        two = Two()
        two.second.lm = posting
        run = dspex.streamify(two, stream_listeners=[StreamListener("answer")], async_streaming=False)
        values = list(run(question="?"))
    assert text_of(values, "answer") == "Paris"
    assert values[-1].judgement == "fine"


class Judging(Posting):
    def __init__(self) -> None:
        super().__init__("")

    async def post(self, url: str, headers: Any, body: bytes, timeout: float) -> Any:
        whole = await super().post(url, headers, body, timeout)
        return type(whole)(200, {}, whole.body.replace(b"[[ ## answer ## ]]\\n", b"[[ ## judgement ## ]]\\nfine"))


def test_synchronous_stream_raises_what_the_program_raises() -> None:
    def fail(question: str) -> Any:
        raise KeyError(question)

    with pytest.raises(KeyError, match="why"):
        list(dspex.streamify(fail, async_streaming=False)(question="why"))


class Telling(StatusMessageProvider):
    def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
        return f"{type(instance).__name__} starts"

    async def lm_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        return "asking"

    def lm_end_status_message(self, outputs: Any) -> str:
        return f"answered {len(outputs)}"


async def test_status_messages_come_in_their_place() -> None:
    run = dspex.streamify(dspex.Predict("question -> answer"), Telling(), [StreamListener("answer")])
    with dspex.context(lm=streaming_lm(fields(answer="Paris", cut=9))):
        values = await collected(run(question="?"))
    said = [value.message if isinstance(value, StatusMessage) else type(value).__name__ for value in values]
    assert said[:2] == ["Predict starts", "asking"]
    assert said[-2:] == ["answered 1", "Prediction"]
    assert set(said[2:-2]) == {"StreamResponse"}


async def test_tools_are_spoken_of_by_default() -> None:
    def look_up(name: str) -> str:
        """Find."""
        return name.upper()

    tool = dspex.Tool(look_up)

    def program(name: str) -> Any:
        return dspex.Prediction(found=tool(name=name))

    values = await collected(dspex.streamify(program)(name="x"))
    assert values[:2] == [
        StatusMessage("Calling tool look_up..."),
        StatusMessage("Tool calling finished! Querying the LLM with tool calling results..."),
    ]
    assert values[2].found == "X"


async def test_program_may_send_what_it_likes() -> None:
    async def program() -> str:
        await dspex.settings.send_stream.send({"half": "way"})
        return "done"

    assert await collected(dspex.streamify(program)()) == [{"half": "way"}, "done"]


async def test_thread_of_the_program_may_send_through_anyio() -> None:
    import anyio.from_thread

    def program() -> str:
        anyio.from_thread.run(dspex.settings.send_stream.send, "half way")
        return "done"

    assert await collected(dspex.streamify(program)()) == ["half way", "done"]


async def test_server_sent_events_for_a_web_service() -> None:
    with dspex.context(lm=streaming_lm(answer("[[ ## answer ## ]]\n", "Paris"))):
        run = dspex.streamify(dspex.Predict("question -> answer"))
        lines = await collected(streaming_response(run(question="?")))
    assert lines[-2:] == ['data: {"prediction":{"answer":"Paris"}}\n\n', "data: [DONE]\n\n"]
    assert all(line.startswith('data: {"chunk":"{') for line in lines[:-2])


async def test_service_is_told_of_fields_and_status_too() -> None:
    async def stream() -> AsyncIterator[Any]:
        yield StreamResponse("p", "answer", "Par", False)
        yield StatusMessage("wait")
        yield "data: mine\n\n"

    assert await collected(streaming_response(stream())) == [
        'data: {"stream_response":{"predict_name":"p","signature_field_name":"answer","chunk":"Par",'
        '"is_last_chunk":false}}\n\n',
        'data: {"status_message":"wait"}\n\n',
        "data: mine\n\n",
        "data: [DONE]\n\n",
    ]


async def test_service_refuses_what_it_cannot_write() -> None:
    async def stream() -> AsyncIterator[Any]:
        yield 5

    with pytest.raises(ValueError, match="Unknown chunk value type"):
        await collected(streaming_response(stream()))


@pytest.mark.parametrize(
    ("listener", "words"),
    [
        (StreamListener("colour"), "is not a field of any predictor in the program"),
        (StreamListener("answer"), "is not unique in the program"),
    ],
)
def test_listener_without_a_predictor_is_refused(listener: StreamListener, words: str) -> None:
    program = Two()
    program.second = dspex.Predict("question -> answer, judgement")
    with pytest.raises(UsageError, match=words):
        dspex.streamify(program, stream_listeners=[listener])


def test_listener_is_told_apart_by_predictor_by_name_or_by_the_module_around_it() -> None:
    program = Two()
    program.second = dspex.ChainOfThought("question -> answer")  # type: ignore[assignment]
    by_object = StreamListener("answer", predict=program.first)
    by_name = StreamListener("answer", predict_name="second.predict")
    by_module = StreamListener("answer", predict=program.second)
    dspex.streamify(program, stream_listeners=[by_object, by_name, by_module])
    assert by_object.predict_name == "first"
    assert by_name.predict is by_module.predict is program.second.predict  # type: ignore[attr-defined]


async def test_adapter_whose_answers_are_not_known_is_refused() -> None:
    class Own(dspex.Adapter):
        pass

    listener = StreamListener("answer")
    with dspex.context(adapter=Own()), pytest.raises(ValueError, match="Unsupported adapter for streaming: Own"):
        listener.receive(
            dspex.clients.canonical.stream_chunk.StreamChunk(choices=[{"index": 0, "delta": {"content": "x"}}])
        )


async def test_streamable_types_take_their_own_part_of_a_chunk() -> None:
    class Sources(dspex.Type):
        names: list[str]

        @classmethod
        def is_streamable(cls) -> bool:
            return True

        @classmethod
        def parse_stream_chunk(cls, chunk: Any) -> Any:
            found = (chunk.choices[0].delta.get("provider_specific_fields") or {}).get("citation")
            return cls(names=[found]) if found else None

        @classmethod
        def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: Any) -> Any:
            return signature.delete(field_name)

        @classmethod
        def parse_lm_response(cls, response: Any) -> Any:
            return cls(names=response["citations"]) if isinstance(response, dict) else None

    signature = dspex.Signature("question -> answer").append("sources", dspex.OutputField(), Sources)
    cited = [
        *fields(answer="Paris")[:-3],
        delta(provider_specific_fields={"citation": "atlas"}),
        delta(finish="stop"),
        DONE,
    ]
    adapter = dspex.ChatAdapter(native_response_types=[Sources])
    run = dspex.streamify(
        dspex.Predict(signature), stream_listeners=[StreamListener("sources"), StreamListener("answer")]
    )
    with dspex.context(lm=streaming_lm(cited), adapter=adapter):
        values = await collected(run(question="?"))
    assert [one.chunk for one in values[:-1] if one.signature_field_name == "sources"] == [Sources(names=["atlas"])]
    assert text_of([one for one in values[:-1] if one.signature_field_name == "answer"], "answer") == "Paris"
    assert values[-1].sources.names == ["atlas"]
