"""DSPy's `Evaluate` and its model-judged metrics, beside ours: what is returned, printed, written, told and asked."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alike import OURS
from hypothesis import given
from hypothesis import strategies as st

import dspex.dsp.utils.dpr as our_dpr
import dspex.evaluate.evaluate as our_evaluate
import dspex.utils

dspy = pytest.importorskip("dspy")
dspy_evaluate = pytest.importorskip("dspy.evaluate.evaluate")
dspy_dpr = pytest.importorskip("dspy.dsp.utils.dpr")

pytestmark = pytest.mark.parity

SIDES = [(OURS, our_evaluate), (dspy, dspy_evaluate)]


def program(library: Any) -> Any:
    """Answers "a <question>"; gives no fields for question 2; fails on question 4."""

    class Echo(library.Module):  # type: ignore[misc]
        def forward(self, question: int) -> Any:
            if question == 4:
                raise RuntimeError("four")
            return "plain text" if question == 2 else library.Prediction(answer=f"a {question}", extra=["x", 1])

    return Echo()


def devset(library: Any, count: int) -> list[Any]:
    return [
        library.Example(question=n, answer=f"a {n % 2}", note="é " * 30).with_inputs("question") for n in range(count)
    ]


def score(example: Any, prediction: Any, trace: Any = None) -> float:
    return 1 / 3 if getattr(prediction, "answer", "a 0") == example.answer else 0.5


def evaluated(side: Any, count: int, **options: Any) -> Any:
    library, module = side
    return module.Evaluate(devset=devset(library, count), metric=score, num_threads=1, **options)(program(library))


def test_scores_and_results_are_the_same() -> None:
    ours, theirs = (evaluated(side, 6, failure_score=-1) for side in SIDES)
    assert ours.score == theirs.score
    assert [each[2] for each in ours.results] == [each[2] for each in theirs.results]
    assert [dict(each[0].items()) for each in ours.results] == [dict(each[0].items()) for each in theirs.results]
    assert len(ours.results[4][1]) == len(theirs.results[4][1]) == 0
    assert list(ours) == list(theirs)
    assert float(ours) == float(theirs)


def test_a_result_looks_the_same() -> None:
    ours, theirs = (evaluated(side, 2) for side in SIDES)
    assert repr(ours) == repr(theirs)
    assert repr(our_evaluate.EvaluationResult(67.3, [1])) == repr(dspy_evaluate.EvaluationResult(67.3, [1]))


@pytest.mark.parametrize("count", [2, 3])
def test_files_are_the_same_to_the_byte(count: int, tmp_path: Path) -> None:
    """With question 2 among them a row has other fields than the first, and DSPy's CSV fails on that."""
    for name, side in zip(("ours", "theirs"), SIDES, strict=True):
        evaluated(side, count, save_as_json=str(tmp_path / f"{name}.json"))
        if count == 2:
            evaluated(side, count, save_as_csv=str(tmp_path / f"{name}.csv"))
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()
    if count == 2:
        assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


@pytest.mark.parametrize("shown", [True, 5, 9])
def test_tables_are_the_same(shown: Any, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for side in SIDES:
        evaluated(side, 5, display_table=shown)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "✔️ [0.333]" in printed[0]


def test_rows_that_are_left_out_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    for side in SIDES:
        evaluated(side, 3, display_table=2)
        assert "... 1 more rows not displayed ..." in capsys.readouterr().out


def test_a_notebook_is_shown_the_table_and_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for side in SIDES:
        shown: list[Any] = []
        monkeypatch.setattr(side[1], "is_in_ipython_notebook_environment", lambda: True)
        monkeypatch.setattr(side[1], "display", shown.append)
        evaluated(side, 3, display_table=1)
        assert [len(shown[0]), "2 more rows" in shown[1]] == [1, True]


def test_bad_input_is_the_same_kind_of_error() -> None:
    for library, module in SIDES:
        with pytest.raises(ValueError, match="devset must contain at least one example, got an empty devset"):
            module.Evaluate(devset=[], metric=score)(program(library))
        with pytest.raises(ValueError, match="`return_outputs` is no longer supported"):
            module.Evaluate(devset=[], return_outputs=True)


def test_too_many_errors_end_it_with_the_same_words() -> None:
    for side in SIDES:
        with pytest.raises(Exception, match=r"Execution cancelled due to errors or interruption\."):
            evaluated(side, 6, max_errors=1)


def test_callbacks_are_told_the_same() -> None:
    assert told(*SIDES[0], dspex.utils.BaseCallback) == told(*SIDES[1], dspy.utils.BaseCallback)


def told(library: Any, module: Any, base: Any) -> list[Any]:
    heard: list[Any] = []

    class Listener(base):  # type: ignore[misc]
        def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            heard.append({key: type(value).__name__ for key, value in inputs.items()})

        def on_evaluate_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            heard.append((type(outputs).__name__, type(exception).__name__))

    with library.context(callbacks=[Listener()]):
        evaluate = module.Evaluate(devset=devset(library, 2), metric=score)
        evaluate(program(library), callback_metadata={"k": 1}, num_threads=2)
    return heard


def test_the_average_is_logged_in_the_same_words(caplog: pytest.LogCaptureFixture) -> None:
    for library, module in SIDES:
        with caplog.at_level("INFO"):
            logger = __import__("logging").getLogger(module.__name__)
            logger.addHandler(caplog.handler)
            module.Evaluate(devset=devset(library, 3), metric=lambda *_: True)(program(library))
            logger.removeHandler(caplog.handler)
        assert "Average Metric: 3 / 3 (100.0%)" in caplog.text
        caplog.clear()


def test_table_helpers_do_the_same() -> None:
    for text in ["short", "word " * 25, "word " * 26, 3.5, None]:
        assert our_evaluate.truncate_cell(text) == dspy_evaluate.truncate_cell(text)
    pairs = [({"a": 1, "b": 2}, {"b": 3, "c": 4}), ({}, {"a": 1})]
    for given_, got in pairs:
        assert our_evaluate.merge_dicts(given_, got) == dspy_evaluate.merge_dicts(given_, got)
    for prediction in ["text", {}, OURS.Prediction(), SimpleNamespace(items=3)]:
        assert our_evaluate.prediction_is_dictlike(prediction) == dspy_evaluate.prediction_is_dictlike(prediction)


# Metrics that ask a model


@pytest.mark.parametrize("name", ["SemanticF1", "SemanticF1 decompositional", "CompleteAndGrounded"])
@pytest.mark.parametrize("trace", [None, []])
def test_judging_metrics_ask_and_score_the_same(name: str, trace: Any) -> None:
    seen = [judged(library, name, trace) for library in (OURS, dspy)]
    assert seen[0] == seen[1]


def judged(library: Any, name: str, trace: Any) -> Any:
    """The score, and every prompt."""
    kind, *options = name.split()
    evaluation = __import__(f"{library.__name__}.evaluate", fromlist=[kind])
    metric = getattr(evaluation, kind)(**dict.fromkeys(options, True))
    answer = {
        name: value
        for predictor in metric.predictors()
        for name, value in dict.fromkeys(predictor.signature.output_fields, "words").items()
    } | {"recall": "1.4", "precision": "0.5", "completeness": "0.5", "groundedness": "0.9"}
    utils = __import__(f"{library.__name__}.utils", fromlist=["DummyLM"])
    lm = utils.DummyLM([answer] * 2)
    example = library.Example(question="q?", response="the truth").with_inputs("question")
    prediction = library.Prediction(response="said", context="found")
    with library.context(lm=lm, adapter=library.ChatAdapter()):
        result = metric(example, prediction, trace)
    names = [name for name, _ in metric.named_predictors()]
    return names, json.dumps([entry["messages"] for entry in lm.history]), result.score


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_f1_of_precision_and_recall_is_the_same(precision: float, recall: float) -> None:
    import dspy.evaluate.auto_evaluation as theirs

    import dspex.evaluate.auto_evaluation as ours

    assert ours.f1_score(precision, recall) == pytest.approx(theirs.f1_score(precision, recall))


# Words of texts

TEXT = st.text(st.sampled_from("aB é'\u2019.-\u0301 \n\t北1²_\u200b—"), max_size=30)


@given(TEXT, TEXT)
def test_texts_are_cut_into_the_same_words(text: str, answer: str) -> None:
    ours, theirs = our_dpr.DPR_tokenize(text), dspy_dpr.DPR_tokenize(text)
    assert list(ours.data) == list(theirs.data)
    assert our_dpr.DPR_normalize(text) == dspy_dpr.DPR_normalize(text)
    assert our_dpr.strip_accents(text) == dspy_dpr.strip_accents(text)
    words = our_dpr.DPR_normalize(answer)
    assert our_dpr.has_answer([words], text) == dspy_dpr.has_answer([words], text)
    for n in (1, 3):
        assert ours.ngrams(n) == theirs.ngrams(n)
        assert ours.ngrams(n, as_strings=False) == theirs.ngrams(n, as_strings=False)
    if words:
        located = [each.locate_answers([each.DPR_tokenize(answer)], text) for each in (our_dpr, dspy_dpr)]
        assert located[0] == located[1]


@given(st.lists(st.sampled_from(["O", "PER", "LOC"]), max_size=6))
def test_entities_are_grouped_the_same(tags: list[str]) -> None:
    data = [(str(i), f"{i} ", (i, i + 1), "NN", "l", tag) for i, tag in enumerate(tags)]
    groups = [each.Tokens(data, {"ner"}).entity_groups() for each in (our_dpr, dspy_dpr)]
    assert groups[0] == groups[1]
