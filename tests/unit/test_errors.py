"""Errors say what DSPy's say, and survive being sent to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

import dspex
from dspex import errors
from dspex.errors import FailureKind, classify, format_error_for_lm, is_retryable_lm_error, may_pass


def kinds() -> list[type[errors.DSPyError]]:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DSPyError)]
    return [kind for kind in found if kind is not errors.AdapterParseError]


@pytest.mark.parametrize("kind", kinds())
def test_error_keeps_its_text_and_facts_in_a_pickle(kind: type[errors.DSPyError]) -> None:
    error = kind("broken", model="m", provider="p", provider_code="c", status=500, request_id="r", retry_after=2.0)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == str(error) == "[m] broken"
        assert vars(other) == vars(error)
        assert (other.status, other.retry_after, other.code) == (500, 2.0, kind.default_code)


def test_error_of_parsing_keeps_its_message_in_a_pickle() -> None:
    error = dspex.AdapterParseError("ChatAdapter", dspex.Signature("q -> a"), "said", "why", {"b": 1})
    assert str(error).startswith("why\n\nAdapter ChatAdapter failed to parse the LM response.")
    assert "[a]" in str(error)
    assert "[b]" in str(error)
    assert str(copy.copy(error)) == str(error)


def test_error_without_message_or_model_is_empty() -> None:
    assert str(errors.LMError()) == ""
    assert str(errors.LMError(model="m")) == "[m]"
    assert str(errors.ContextWindowExceededError(model="m")) == "[m] Context window exceeded"


def test_code_of_the_caller_wins() -> None:
    assert errors.LMServerError("x", code="own").code == "own"


def test_features_that_are_missing_are_named() -> None:
    assert errors.LMUnsupportedFeatureError("x", feature="a").features == ["a"]
    assert errors.LMUnsupportedFeatureError("x", feature="a", features=["b"], issues=["i"]).features == ["b"]
    assert errors.LMUnsupportedFeatureError("x").issues == []


def test_answer_too_long_to_gather_keeps_its_source() -> None:
    class Source(Exception):
        limit, maximum, partial = "bytes", 10, "part"

    error = errors.LMCollectionLimitError("x", source=Source())
    assert (error.limit, error.maximum, error.partial, error.partial_events) == ("bytes", 10, "part", ())
    assert errors.LMCollectionLimitError().partial is None


@pytest.mark.parametrize(
    "kind",
    [
        errors.LMRateLimitError,
        errors.LMTimeoutError,
        errors.LMServerError,
        errors.LMTransportError,
        errors.LMLockTimeoutError,
    ],
)
def test_what_passes_by_itself_is_retryable(kind: type[errors.LMError]) -> None:
    assert is_retryable_lm_error(kind("x"))
    assert may_pass(kind("x"))
    assert classify(kind("x")) is FailureKind.INFRASTRUCTURE


def test_what_was_no_answer_is_tried_again_by_the_client_alone() -> None:
    assert may_pass(errors.LMUnexpectedError("x"))
    assert not is_retryable_lm_error(errors.LMUnexpectedError("x"))


@pytest.mark.parametrize("error", [errors.LMAuthError("x"), errors.ContextWindowExceededError(), ValueError("x")])
def test_what_stays_wrong_is_not_retryable(error: Exception) -> None:
    assert not is_retryable_lm_error(error)
    assert not may_pass(error)


def test_error_in_words_for_a_prompt() -> None:
    with pytest.raises(ValueError) as caught:
        raise ValueError("no")
    assert format_error_for_lm(caught.value) == "no"
    shown = format_error_for_lm(caught.value, traceback_frames=1)
    assert shown.startswith("\nTraceback")
    assert shown.endswith("ValueError: no")
