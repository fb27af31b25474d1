"""The small things that users import from ``dspex.utils``."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import dspex
from dspex.dotdict import dotdict
from dspex.utils import download, experimental, magicattr, pretty_print_history
from dspex.utils.hasher import Hasher
from dspex.utils.lazy_import import is_available, require


def test_every_name_is_there() -> None:
    for name in dspex.utils.__all__:
        assert getattr(dspex.utils, name) is not None
    assert callable(dspex.utils.syncify)
    assert dspex.utils.usage_tracker.track_usage is dspex.track_usage
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = dspex.utils.nothing_such


# Paths


@pytest.fixture
def tree() -> Any:
    return SimpleNamespace(steps=[SimpleNamespace(demos=[1, 2])], by_kind={"a b": {"x": 5}})


def test_path_is_read(tree: Any) -> None:
    assert magicattr.get(tree, "steps[0].demos[-1]") == 2
    assert magicattr.get(tree, "by_kind['a b']['x']") == 5
    assert magicattr.get(tree, "steps[7].demos", default=None) is None
    with pytest.raises(IndexError):
        magicattr.get(tree, "steps[7]")


def test_path_is_written_and_removed(tree: Any) -> None:
    magicattr.set(tree, "steps[0].demos[0]", 9)
    magicattr.set(tree, "steps[0].name", "n")
    assert (tree.steps[0].demos, tree.steps[0].name) == ([9, 2], "n")
    magicattr.delete(tree, "steps[0].name")
    magicattr.delete(tree, "by_kind['a b']")
    assert (tree.by_kind, hasattr(tree.steps[0], "name")) == ({}, False)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("steps.clear()", ValueError),
        ("import os", ValueError),
        ("", ValueError),
        ("steps[f(1)]", NotImplementedError),
        ("1 + 1", NotImplementedError),
        (5, TypeError),
    ],
)
def test_what_is_no_path_is_refused(tree: Any, path: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        magicattr.get(tree, path)


# Packages


def test_package_is_imported_when_it_is_used() -> None:
    code = (
        "from dspex.utils.lazy_import import require; import sys; found = require('wave'); "
        "print('wave' in sys.modules, found.Wave_read.__name__, 'wave' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "Wave_read", "True"]


def test_package_that_is_missing_says_how_to_get_it() -> None:
    missing = require("no_such_package", extra="some", feature="dspex.Thing")
    with pytest.raises(ImportError, match=r"(?s)to use dspex.Thing.*dspex\[some\].*test_small_homes"):
        _ = missing.anything
    assert not is_available("no_such_package.part")
    assert is_available("json")


# Docstrings, digests, dicts


def test_experimental_says_so_in_the_docstring() -> None:
    @experimental(version="9.9")
    def documented() -> None:
        """What it does."""

    @experimental
    class Bare:
        pass

    notice = "Experimental: This function may change or be removed in a future release without warning"
    assert documented.__doc__ == f"{notice} (introduced in v9.9).\n\nWhat it does."
    assert (Bare.__doc__ or "").startswith("Experimental: This class")


def test_digest_follows_content() -> None:
    assert Hasher.hash({"a": 1}) == Hasher.hash({"a": 1}) != Hasher.hash({"a": 2})
    assert Hasher.hash_bytes(b"ab") == Hasher.hash_bytes([b"a", b"b"])
    running = Hasher()
    running.update(1)
    assert running.hexdigest() != Hasher().hexdigest()


def test_dotdict_reads_keys_as_attributes() -> None:
    passage = dotdict(long_text="t")
    passage.score = 1
    del passage.long_text
    assert passage == {"score": 1}
    with pytest.raises(AttributeError, match="long_text"):
        _ = passage.long_text


# History


def entry(**more: Any) -> dict[str, Any]:
    return {"prompt": "hi", "messages": None, "outputs": ["yes"], "timestamp": "T", **more}


def shown(*entries: dict[str, Any], n: int = 1) -> str:
    out = io.StringIO()
    pretty_print_history(list(entries), n, file=out)
    return out.getvalue()


def test_history_shows_the_last_calls() -> None:
    text = shown(entry(prompt="first"), entry(prompt="second", outputs=["a", "b"]), n=1)
    assert "first" not in text
    assert "User message:\n\nsecond\n" in text
    assert "Response:\n\na\n" in text
    assert "(and 1 other completions)" in text
    assert shown(entry(), n=0) == "\n\n\n\n"


def test_history_names_what_is_not_text() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "abc"}},
        {"type": "file", "file": {"filename": "n", "file_id": None, "file_data": "dd"}},
        {"type": "video", "video": {}},
    ]
    text = shown(entry(messages=[{"role": "user", "content": parts}]))
    for said in (
        "<data:image/png;base64,<IMAGE BASE 64 ENCODED(4)>",
        "<image_url: http://x/y.png>",
        "<audio format='wav' base64-encoded, length=3>",
        "<file: name:n, id:, data_length:2>",
        "<video>",
    ):
        assert said in text
    assert "AAAA" not in text


def test_history_survives_answers_without_text() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": "é"}'}}
    assert 'Tool calls:\n\nf: {"a": "é"}' in shown(entry(outputs=[{"text": None, "tool_calls": [call]}]))
    assert "Response:" in shown(entry(outputs=[None]))
    assert "hi" in shown(entry(outputs=[]))


def test_history_is_in_colours_on_standard_output_only(capsys: pytest.CaptureFixture[str]) -> None:
    pretty_print_history([entry()])
    assert "\x1b[32myes\x1b[0m" in capsys.readouterr().out
    assert "\x1b" not in shown(entry())


def test_history_is_bounded_and_can_be_switched_off() -> None:
    lm = dspex.utils.DummyLM([{"answer": str(n)} for n in range(9)])
    predict = dspex.Predict("question -> answer")
    with dspex.context(lm=lm, max_history_size=2):
        for _ in range(4):
            predict(question="?")
        assert [len(owner.history) for owner in (lm, predict)] == [2, 2]
        with dspex.context(disable_history=True):
            predict(question="?")
        assert "3" in lm.history[-1]["outputs"][0]
        with dspex.context(max_history_size=0):
            predict(question="?")
        assert len(lm.history) == 2


# Logging


def said_on_stderr(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", f"import logging, dspex; {code}"], capture_output=True, text=True)
    return ran.stderr


INFO = "logging.getLogger('dspex.evaluate').info('hello')"


def test_scripts_hear_what_dspex_says() -> None:
    assert said_on_stderr(INFO).endswith(" INFO dspex.evaluate: hello\n")
    assert said_on_stderr(f"dspex.configure_dspy_loggers('dspex'); {INFO}").count("hello") == 1


def test_logging_can_be_switched_off_and_on() -> None:
    assert said_on_stderr(f"dspex.disable_logging(); {INFO}") == ""
    assert "hello" in said_on_stderr(f"dspex.disable_logging(); dspex.enable_logging(); {INFO}")


def test_applications_with_logging_of_their_own_hear_it_once() -> None:
    assert said_on_stderr(f"logging.basicConfig(format='own %(message)s'); {INFO}") == "own hello\n"


def test_litellm_can_be_told_to_be_quiet() -> None:
    litellm = pytest.importorskip("litellm")
    before = litellm.suppress_debug_info
    try:
        dspex.enable_litellm_logging()
        assert litellm._logging.verbose_logger.level == logging.DEBUG
        dspex.disable_litellm_logging()
        assert litellm._logging.verbose_logger.level == logging.ERROR
        assert litellm.suppress_debug_info is True
    finally:
        litellm.suppress_debug_info = before


# Downloads


def test_file_is_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=b"content")))
    monkeypatch.setattr(httpx, "stream", client.stream)
    download("http://somewhere.test/folder/data.txt?x=1")
    download("http://somewhere.test/folder/data.txt?x=1")
    assert (tmp_path / "data.txt").read_bytes() == b"content"
    assert capsys.readouterr().out.count("Downloading") == 1


def test_download_that_fails_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("old")
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
    monkeypatch.setattr(httpx, "stream", client.stream)
    with pytest.raises(httpx.HTTPStatusError):
        download("http://somewhere.test/data.txt")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
