"""Reasoning and citations that an LM's API delivers beside an answer's text, whole or in chunks."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

import dspex
from dspex.clients import BaseLM
from dspex.experimental import Citations, Document

CITATION = {"cited_text": "t", "document_index": 0, "start_char_index": 1, "end_char_index": 2}


def reasoner(**about: Any) -> Any:
    described = {"model": "openai/o3", "model_type": "chat", "supports_reasoning": True, "kwargs": {}}
    return SimpleNamespace(**{**described, **about})


CITED = dspex.Signature(
    {
        "documents": (list[Document], dspex.InputField()),
        "answer": (str, dspex.OutputField()),
        "citations": (Citations, dspex.OutputField()),
    }
)
SIGNATURE = dspex.Signature({"q": (str, dspex.InputField()), "thought": (dspex.Reasoning, dspex.OutputField())})


@pytest.mark.parametrize(
    ("lm", "given", "effort"),
    [
        (reasoner(), {}, "low"),
        (reasoner(kwargs={"reasoning_effort": "high"}), {}, "high"),
        (reasoner(kwargs={"reasoning_effort": "high"}), {"reasoning_effort": "medium"}, "medium"),
        (reasoner(model="openai/gpt-5", model_type="responses"), {}, "low"),
    ],
)
def test_a_reasoning_model_reasons_in_its_own_way(lm: Any, given: dict[str, Any], effort: str) -> None:
    asked = dspex.Reasoning.adapt_to_native_lm_feature(SIGNATURE, "thought", lm, given)
    assert (given["reasoning_effort"], list(asked.output_fields)) == (effort, [])


@pytest.mark.parametrize(
    ("lm", "given"),
    [
        (reasoner(supports_reasoning=False), {}),
        (reasoner(), {"reasoning_effort": None}),
        (reasoner(kwargs={"reasoning_effort": None}), {}),
        (reasoner(model="openai/gpt-5-mini"), {}),
    ],
)
def test_otherwise_the_reasoning_is_asked_for_in_the_prompt(lm: Any, given: dict[str, Any]) -> None:
    before = dict(given)
    assert dspex.Reasoning.adapt_to_native_lm_feature(SIGNATURE, "thought", lm, given) is SIGNATURE
    assert given == before


def test_a_text_that_mentions_reasoning_content_holds_none() -> None:
    assert dspex.Reasoning.parse_lm_response("the field reasoning_content") is None
    assert dspex.Reasoning.parse_lm_response({"text": "x", "reasoning_content": None}) is None


def test_reasonings_count_as_equal_texts() -> None:
    assert {dspex.Reasoning(content="x"), "x"} == {"x"}


def chunk(**delta: Any) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(**delta))])


def test_reasoning_in_a_chunk() -> None:
    assert dspex.Reasoning.parse_stream_chunk(chunk(reasoning_content="So")) == "So"
    assert dspex.Reasoning.parse_stream_chunk(chunk(content="x")) is None
    assert dspex.Reasoning.parse_stream_chunk(SimpleNamespace(choices=[])) is None


def test_a_citation_in_a_chunk() -> None:
    found = Citations.parse_stream_chunk(chunk(provider_specific_fields={"citation": CITATION}))
    assert [citation.cited_text for citation in found or []] == ["t"]
    assert Citations.parse_stream_chunk(chunk(provider_specific_fields={"citation": None})) is None
    assert Citations.parse_stream_chunk(chunk(provider_specific_fields=None)) is None
    assert Citations.parse_stream_chunk(chunk(content="x")) is None


def test_a_citation_of_pages_is_left_out_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    of_pages = {"type": "page_location", "cited_text": "t", "document_index": 0, "start_page_number": 1}
    with caplog.at_level(logging.WARNING):
        found = Citations.parse_lm_response({"text": "x", "citations": [of_pages, CITATION]})
    assert len(found or []) == 1
    assert "A citation was left out" in caplog.text


def test_citations_are_anthropics_to_make() -> None:
    asked = Citations.adapt_to_native_lm_feature(CITED, "citations", reasoner(model="anthropic/claude"), {})
    assert list(asked.output_fields) == ["answer"]
    assert Citations.adapt_to_native_lm_feature(CITED, "citations", reasoner(), {}) is CITED


class Citing(BaseLM):
    """Answers with citations, as litellm hands on those of Anthropic."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        beside = {"citations": [[CITATION], [{**CITATION, "cited_text": "u"}]]}
        text = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
        message = SimpleNamespace(content=text, provider_specific_fields=beside)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage={}, model=self.model)


def test_citations_of_an_answer_come_into_the_prediction() -> None:
    predict = dspex.Predict(CITED)
    with dspex.context(lm=Citing("anthropic/claude")):
        answer = predict(documents=[Document(data="d")])
    assert (answer.answer, [citation.cited_text for citation in answer.citations]) == ("yes", ["t", "u"])


def test_decision_types_are_said_not_to_be_there() -> None:
    import dspex.experimental

    with pytest.raises(AttributeError, match="dspex has no TypeSafe"):
        dspex.experimental.TypeSafe  # noqa: B018
