"""Streaming beside DSPy: the same chunks of the same fields, wherever DSPy's are the field's own."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any
from unittest import mock

import dspy
import pytest
from dspy.streaming import StreamListener as TheirListener

import dspex
from dspex.streaming import StreamListener as OurListener

CHAT, JSON, XML = "ChatAdapter", "JSONAdapter", "XMLAdapter"
CUTS = {
    "tokens": (
        CHAT,
        ["[[", " ##", " answer", " ##", " ]]", "\n", "To", " get", " there", "!\n\n", "[[ ## ", "completed ## ]]"],
    ),
    "coarse": (CHAT, ["[[ ## answer ## ]]\nTo get", " there", "!\n\n[[ ## completed ## ]]"]),
    "heading alone": (CHAT, ["[[ ## answer ## ]]\n", "To get there.", "\n\n[[ ## completed ## ]]"]),
    "second field": (
        CHAT,
        ["[[ ## other ## ]]\nTo", " get\n\n[[ ## ", "answer ## ]]\nx", "y\n\n[[ ## end ## ]]"],
    ),
    "brackets": (CHAT, ["[[ ## answer ## ]]", "\n[1", ", 2]", " and [", "3]", "\n\n[[", " ## completed ## ]]"]),
    "no end": (CHAT, ["[[ ## answer ## ]]", "\nTo", " get"]),
    "in one piece": (CHAT, ["[[ ## answer ## ]]\nTo get there!\n\n[[ ## completed ## ]]"]),
    "json tokens": (JSON, ['{"', "answer", '":"', "To", " get", " there", '!"', "}"]),
    "json spaced": (JSON, ['{"', "answer", '": "', "To", " get", " there", '!"', "}"]),
    "json number": (JSON, ['{"', "answer", '":', " 4", "2", "}"]),
    "json last field": (JSON, ['{"', "other", '":"', "No", '","', "answer", '":"', "Yes", '"', "}"]),
    "xml tokens": (XML, ["<", "answer", ">\n", "To", " get", " there", "!", "\n", "</", "answer", ">"]),
    "xml coarse": (XML, ["<answer>", "To", " get there!\n</answer>", "\n"]),
}


def pieces(library: Any, listener_class: Any, adapter: str, cut: list[str]) -> Any:
    with library.context(adapter=getattr(library, adapter)()):
        listener = listener_class("answer", predict_name="p")
        heard = []
        for text in cut:
            chunk = SimpleNamespace(choices=[SimpleNamespace(index=0, delta=SimpleNamespace(content=text))])
            heard.append(listener.receive(chunk))
        heard.append(listener.finalize())
    return [(one.predict_name, one.chunk, one.is_last_chunk) for one in heard if one is not None], listener.cache_hit


@pytest.mark.parametrize("name", CUTS)
def test_pieces_are_those_of_dspy(name: str) -> None:
    adapter, cut = CUTS[name]
    assert pieces(dspex, OurListener, adapter, cut) == pieces(dspy, TheirListener, adapter, cut)


@pytest.mark.parametrize(
    ("adapter", "cut", "whole"),
    [
        (JSON, ['{"', "answer", '":"', "To", "!", '","', "judg", 'ment":"', 'Yes"', "}"], '"To!"'),
        (JSON, ['{"', "answer", '":', ' {"a":', " 1", "}", ' , "b"', ": 2}"], ' {"a": 1}'),
        (CHAT, ["[[", " ## answer", " ## ]]\n", "see", " [[link]]", "!", "\n\n[[ ## completed ## ]]"], "see [[link]]!"),
        (CHAT, ["[[ ## ", "answer ## ]]\nsee", " [[ ## x ## ]]", " there"], "see [[ ## x ## ]] there"),
    ],
)
def test_where_dspy_loses_or_leaks_text_ours_is_whole(adapter: str, cut: list[str], whole: str) -> None:
    theirs, _ = pieces(dspy, TheirListener, adapter, cut)
    ours, _ = pieces(dspex, OurListener, adapter, cut)
    assert "".join(chunk for _, chunk, _ in ours) == whole
    assert "".join(chunk for _, chunk, _ in theirs) != whole


def program(library: Any) -> Any:
    class Two(library.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = library.Predict("question -> answer")
            self.second = library.Predict("question, answer -> judgement")

        def forward(self, question: str) -> Any:
            given = self.first(question=question)
            return self.second(question=question, answer=given.answer)

    return Two()


def mocked(*texts: str) -> Any:
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    async def given() -> Any:
        for text in texts:
            yield ModelResponseStream(model="m", choices=[StreamingChoices(delta=Delta(content=text))])

    return given()


async def streamed(library: Any, **options: Any) -> list[Any]:
    """What two predictors' streamed answers give, through a replaced litellm, as plain values."""
    first = ["[[ ## ans", "wer ## ]]\n", "Par", "is", "\n\n[[ ## completed ## ]]"]
    second = ["[[ ## judgement ## ]]", "\nfi", "ne", "\n\n[[ ## completed", " ## ]]"]
    lm = library.LM("openai/gpt-4o-mini", cache=False, engine="litellm", api_key="sk-0123456789")
    values = []
    with (
        mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, side_effect=[mocked(*first), mocked(*second)]),
        library.context(lm=lm, adapter=library.ChatAdapter()),
    ):
        async for value in library.streamify(program(library), **options)(question="?"):
            if type(value).__name__ == "StreamResponse":
                values.append(vars(value))
            elif type(value).__name__ == "Prediction":
                values.append(value.toDict())
            else:
                values.append(value.choices[0].delta.content)
    return values


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("fields", [[], ["judgement", "answer"]])
async def test_streamed_programs_give_the_same(fields: list[str], final: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")

    def options(library: Any) -> dict[str, Any]:
        listeners = [library.streaming.StreamListener(field) for field in fields]
        return {"stream_listeners": listeners, "include_final_prediction_in_output_stream": final}

    assert await streamed(dspex, **options(dspex)) == await streamed(dspy, **options(dspy))


@pytest.mark.parametrize(
    "name",
    [
        "streaming.streamify.streamify",
        "streaming.streamify.apply_sync_streaming",
        "streaming.streamify.streaming_response",
        "streaming.streaming_listener.StreamListener",
        "streaming.streaming_listener.find_predictor_for_stream_listeners",
        "streaming.messages.StreamResponse",
        "streaming.messages.StatusMessage",
        "streaming.messages.StatusMessageProvider",
        "streaming.messages.StatusStreamingCallback",
        "streaming.messages.sync_send_to_stream",
        "utils.asyncify.asyncify",
        "utils.asyncify.get_limiter",
        "utils.asyncify.get_async_max_workers",
        "utils.syncify.syncify",
        "utils.syncify.run_async",
        "clients.provider.Provider.finetune",
        "clients.provider.TrainingJob",
        "clients.provider.ReinforceJob",
        "clients.utils_finetune.save_data",
        "clients.utils_finetune.validate_data_format",
        "clients.utils_finetune.infer_data_format",
        "clients.utils_finetune.get_finetune_directory",
    ],
)
def test_names_and_arguments_are_dspys(name: str) -> None:
    assert arguments(dspex, name) == arguments(dspy, name)


def arguments(library: Any, name: str) -> list[tuple[str, Any, Any]]:
    module, _, rest = name.rpartition(".")
    path = f"{library.__name__}.{module}"
    try:
        __import__(path)
        found = getattr(__import__("sys").modules[path], rest)
    except ImportError:
        module, _, owner = module.rpartition(".")
        __import__(f"{library.__name__}.{module}")
        found = getattr(getattr(__import__("sys").modules[f"{library.__name__}.{module}"], owner), rest)
    return [(one.name, one.kind, one.default) for one in inspect.signature(found).parameters.values()]
