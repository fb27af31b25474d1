"""Optimizers by name, and their arguments from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dspex.errors import UsageError
from dspex.teleprompt.registry import OPTIMIZERS, arguments_from_text, make_optimizer, takes_metric


def metric(example: Any, prediction: Any) -> bool:
    return True


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_is_made_again_from_its_arguments_as_json(name: str) -> None:
    arguments = json.loads(json.dumps(make_optimizer(name).arguments()))
    again = make_optimizer(name, arguments, metric=metric, teacher_settings={})
    assert again.arguments() == arguments
    assert again.name == name
    assert again.metric is (metric if takes_metric(name) else None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ({"max_rounds": "3"}, {"max_rounds": 3}),
        ({"max_errors": "None"}, {"max_errors": None}),
        ({"max_errors": "7"}, {"max_errors": 7}),
        ({"metric_threshold": "0.5", "seed": "2"}, {"metric_threshold": 0.5, "seed": 2}),
        ({"metric_threshold": "null"}, {"metric_threshold": None}),
        ({}, {}),
    ],
)
def test_texts_become_what_the_constructor_takes(text: dict[str, str], value: dict[str, Any]) -> None:
    parsed = arguments_from_text("bootstrap", text)
    assert parsed == value
    assert [type(each) for each in parsed.values()] == [type(each) for each in value.values()]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("no", False)])
def test_yes_and_no_are_understood(text: str, value: bool) -> None:
    assert arguments_from_text("labeled", {"sample": text}) == {"sample": value}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("bootstrap", {"max_rounds": "many"}, "max_rounds=many.*is int"),
        ("bootstrap", {"max_rounds": "1.5"}, "max_rounds=1.5.*is int"),
        ("bootstrap", {"max_rounds": "none"}, "max_rounds=none.*is int"),
        ("bootstrap", {"max_errors": "x"}, r"max_errors=x.*int \| None"),
        ("bootstrap", {"metric_threshold": "nan"}, "metric_threshold=nan"),
        ("labeled", {"sample": "maybe"}, "sample=maybe.*is bool"),
        ("labeled", {"k": "-1"}, "k=-1"),
        ("bootstrap", {"max_round": "1"}, "no argument 'max_round'.*'max_rounds'"),
        ("bootstrap", {"metric": "os:system"}, "no argument 'metric'"),
        ("bootstrap", {"teacher_settings": "{}"}, "no argument 'teacher_settings'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, text: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        arguments_from_text(name, text)


def test_an_unknown_optimizer_is_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no optimizer 'bootstap'\. Did you mean 'bootstrap'"):
        make_optimizer("bootstap")
    with pytest.raises(UsageError, match=r"Optimizers: .*bootstrap"):
        takes_metric("xyz")


def test_an_unknown_argument_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(UsageError, match="no argument 'temperature'"):
        make_optimizer("bootstrap", {"temperature": 1})
