"""Retrievers find the same, and data sets hold the same examples in the same order."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dspex
import dspex.datasets.gsm8k
import dspex.datasets.math

dspy = pytest.importorskip("dspy")
pytest.importorskip("dspy.datasets")
pytestmark = pytest.mark.parity

CORPUS = ["a cat sat", "dogs bark at night", "the fish swims", "cats and dogs", "night falls"]


def vectors(texts: list[str]) -> Any:
    return dspex.utils.DummyVectorizer()(texts)


@pytest.mark.parametrize("name", ["Embeddings", "EmbeddingsWithScores"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("k", [1, 3, 99])
def test_embeddings_find_the_same(name: str, normalize: bool, k: int) -> None:
    def found(library: Any) -> Any:
        return dict(getattr(library, name)(CORPUS, vectors, k=k, normalize=normalize)("a cat at night"))

    assert found(dspex) == found(dspy)


@pytest.mark.parametrize(("writer", "reader"), [(dspex, dspy), (dspy, dspex)])
def test_saved_embeddings_are_read_by_the_other_library(writer: Any, reader: Any, tmp_path: Path) -> None:
    made = writer.EmbeddingsWithScores(CORPUS, vectors, k=2)
    made.save(str(tmp_path / "index"))
    read = reader.EmbeddingsWithScores.from_saved(str(tmp_path / "index"), vectors)
    assert dict(read("cats")) == dict(made("cats"))


def test_retrieve_asks_the_configured_model_the_same() -> None:
    def found(library: Any) -> Any:
        with library.context(rm=library.utils.dummy_rm(CORPUS)):
            retrieve = library.Retrieve(k=2)
            return dict(retrieve("cats")), dict(retrieve("dogs", k=1)), retrieve.dump_state()

    assert found(dspex) == found(dspy)


@pytest.mark.parametrize("sort", [True, False])
def test_colors_are_divided_the_same(sort: bool) -> None:
    def drawn(library: Any) -> Any:
        colors = library.datasets.Colors(sort, train_seed=1, train_size=50, eval_seed=2, dev_size=20)
        return [row.color for row in colors.train], [row.color for row in colors.dev]

    ours, theirs = drawn(dspex), drawn(dspy)
    assert ours == theirs if sort else [len(part) for part in ours] == [len(part) for part in theirs]


@pytest.mark.parametrize("sizes", [{}, {"train_size": 0.5}, {"train_size": 3, "test_size": 0.4}, {"test_size": 2}])
def test_splits_are_the_same(sizes: Any) -> None:
    def split(library: Any) -> Any:
        rows = [library.Example(n=n).with_inputs("n") for n in range(11)]
        found = library.datasets.DataLoader().train_test_split(rows, random_state=4, **sizes)
        return {name: [row.n for row in part] for name, part in found.items()}

    assert split(dspex) == split(dspy)


def test_samples_are_the_same() -> None:
    def drawn(library: Any) -> Any:
        random.seed(5)
        return library.datasets.DataLoader().sample(list(range(20)), 6)

    assert drawn(dspex) == drawn(dspy)


def test_examples_from_a_data_frame_are_the_same() -> None:
    import pandas

    frame = pandas.DataFrame({"question": ["a", "b"], "n": [1, 2], "share": [0.5, 1.0]})

    def loaded(library: Any) -> Any:
        loader = library.datasets.DataLoader()
        everything = loader.from_pandas(frame, input_keys=("question",))
        some = loader.from_pandas(frame, fields=["n"])
        return [(row.toDict(), dict(row.labels().items())) for row in everything] + [row.toDict() for row in some]

    assert loaded(dspex) == loaded(dspy)


def test_training_sets_by_seed_are_the_same() -> None:
    def drawn(library: Any) -> Any:
        class Numbers(library.datasets.Dataset):  # type: ignore[misc]
            def __init__(self, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self._train = [{"n": n} for n in range(30)]
                self._dev = [{"n": -n} for n in range(40)]

        sets = Numbers.prepare_by_seed(train_size=4, dev_size=20)
        return [[row.n for row in part] for part in [*sets.train_sets, *sets.eval_sets]]

    assert drawn(dspex) == drawn(dspy)


# Data sets of Hugging Face's hub, from a stand-in for its library


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library ``datasets`` with a few made-up rows."""

    def hotpot(level: str, count: int) -> list[dict[str, Any]]:
        return [
            {
                "id": str(n), "question": f"q{n}", "answer": f"a{n}", "type": "bridge", "context": {"title": ["t"]},
                "level": level if n % 3 else "hard", "supporting_facts": {"title": [f"t{n}", "t"], "sent_id": [0, 1]},
            }
            for n in range(count)
        ]  # fmt: skip

    word_problems = [{"question": f"q{n}", "answer": f"so\nit is #### 1,{n:03}"} for n in range(600)]
    problems = [
        {"problem": f"p{n}", "solution": f"thus \\boxed{{\\frac{{{n}}}{{2}}\\text{{ m}}}} ."} for n in range(40)
    ]
    known: dict[Any, Any] = {
        ("hotpot_qa", "fullwiki", "train"): hotpot("easy", 40),
        ("hotpot_qa", "fullwiki", "validation"): hotpot("hard", 5),
        ("gsm8k", "main", None): {"train": word_problems, "test": word_problems[:7]},
        ("DigitalLearningGmbH/MATH-lighteval", "algebra", None): {"test": problems},
        ("mine", None, None): {"train": [{"a": 1, "b": 2}], "test": [{"a": 3, "b": 4}]},
        ("mine", None, "train"): [{"a": 1, "b": 2}],
    }
    library = ModuleType("datasets")
    library.load_dataset = lambda name, part=None, split=None: known[name, part, split]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", library)


def shown(examples: list[Any]) -> list[Any]:
    return [{key: value for key, value in row.items() if not key.startswith("dspy_")} for row in examples]


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("keep_details", ["dev_titles", True, False])
def test_hotpotqa_is_the_same(keep_details: Any) -> None:
    def loaded(library: Any) -> Any:
        data = library.datasets.HotPotQA(train_seed=1, eval_seed=2, keep_details=keep_details, input_keys=["question"])
        return shown(data.train), shown(data.dev), shown(data.test)

    assert loaded(dspex) == loaded(dspy)


@pytest.mark.usefixtures("hub")
def test_gsm8k_is_the_same() -> None:
    from dspy.datasets.gsm8k import GSM8K

    ours, theirs = dspex.datasets.gsm8k.GSM8K(), GSM8K()
    for split in ("train", "dev", "test"):
        assert shown(getattr(ours, split)) == shown(getattr(theirs, split))
    assert ours.train[0].inputs().keys() == ["question"]


@pytest.mark.usefixtures("hub")
def test_math_is_the_same() -> None:
    ours, theirs = dspex.datasets.MATH("algebra"), dspy.datasets.MATH("algebra")
    for split in ("train", "dev", "test"):
        assert shown(getattr(ours, split)) == shown(getattr(theirs, split))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("options", [{}, {"split": "train"}, {"fields": ("a",)}, {"input_keys": ("b",)}])
def test_the_hub_gives_the_same_examples(options: Any) -> None:
    def loaded(library: Any) -> Any:
        found = library.datasets.DataLoader().from_huggingface("mine", **options)
        return shown(found) if isinstance(found, list) else {name: shown(rows) for name, rows in found.items()}

    assert loaded(dspex) == loaded(dspy)


@given(st.text(alphabet="a1 2.\n,9-$#", max_size=20), st.booleans())
@settings(max_examples=300)
def test_numbers_in_answers_are_read_the_same(text: str, only_first_line: bool) -> None:
    from dspy.datasets.gsm8k import parse_integer_answer

    ours = dspex.datasets.gsm8k.parse_integer_answer(text, only_first_line)
    assert ours == parse_integer_answer(text, only_first_line)


@given(st.lists(st.sampled_from(["\\boxed{", "{", "}", "x", " ", "\\text{m}", "\\!", "2"]), max_size=12))
@settings(max_examples=300)
def test_boxed_answers_are_read_the_same(parts: list[str]) -> None:
    from dspy.datasets.math import extract_answer

    text = "".join(parts)
    assert dspex.datasets.math.extract_answer(text) == extract_answer(text)
