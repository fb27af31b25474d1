"""Values of DSPy's field types: made of the same things, refused for the same reasons, shown the same."""

from __future__ import annotations

import base64
import importlib
import inspect
import io
import json
import pickle
import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image as Pillow

dspy = pytest.importorskip("dspy")
pytestmark = pytest.mark.parity

MODULES = ("audio", "base_type", "citation", "code", "document", "file", "history", "image", "reasoning", "tool")
IN_DSPY_ONLY = {"PIL_AVAILABLE", "SF_AVAILABLE"}
WAV = "data:audio/x-wav;base64,AAAA"
CITATION = {"cited_text": "t", "document_index": 0, "start_char_index": 1, "end_char_index": 2}


def types_of(package: str) -> SimpleNamespace:
    """All public names of all modules of ``<package>.adapters.types``."""
    names: dict[str, Any] = {}
    for module in MODULES:
        names.update(vars(importlib.import_module(f"{package}.adapters.types.{module}")))
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("_")})


THEIRS, OURS = types_of("dspy"), types_of("dspex")


def picture(kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Pillow.new("RGB", (3, 2), "red").save(written, kind)
    return written.getvalue()


def recording() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0\1" * 8)
    return written.getvalue()


PNG = "data:image/png;base64," + base64.b64encode(picture()).decode()

VALUES: dict[str, Callable[[Any], Any]] = {
    "image of URL": lambda t: t.Image("https://example.com/a.png"),
    "image of gs URL": lambda t: t.Image(url="gs://bucket/a.png"),
    "image of URL with spaces": lambda t: t.Image(url=" https://example.com/a.png "),
    "image of data": lambda t: t.Image(PNG),
    "image of dict": lambda t: t.Image({"url": PNG}),
    "image of dict with more": lambda t: t.Image({"url": PNG, "detail": "low"}),
    "image of image": lambda t: t.Image(t.Image(PNG)),
    "image of PNG bytes": lambda t: t.Image(picture()),
    "image of JPEG bytes": lambda t: t.Image(picture("JPEG")),
    "image of GIF bytes": lambda t: t.Image(picture("GIF")),
    "image of PIL": lambda t: t.Image(Pillow.new("L", (2, 2))),
    "image of other bytes": lambda t: t.Image(b"no image"),
    "image of a path": lambda t: t.Image("cat.png"),
    "image of a number": lambda t: t.Image(3),
    "image of nothing": lambda t: t.Image(),
    "image twice": lambda t: t.Image(PNG, url=PNG),
    "image with more": lambda t: t.Image(PNG, detail="low"),
    "image validated": lambda t: t.Image.model_validate({"url": PNG}),
    "image validated from text": lambda t: t.Image.model_validate("https://example.com/a.png"),
    "image validated with download": lambda t: t.Image.model_validate({"url": "http://127.0.0.1:1/", "download": True}),
    "image from no URL": lambda t: t.Image.from_url("ftp://example.com/a.png"),
    "image from no file": lambda t: t.Image.from_path("missing.png"),
    "image from PIL": lambda t: t.Image.from_PIL(Pillow.new("L", (2, 2))),
    "image changed": lambda t: setattr(t.Image(PNG), "url", "x"),
    "image hash": lambda t: hash(t.Image(PNG)) == hash(t.Image(PNG)),
    "is_image": lambda t: [t.is_image(one) for one in (PNG, "x", "http://a/b", Pillow.new("L", (1, 1)), 3, b"", "gs:")],
    "is_url": lambda t: [t.is_url(one) for one in ("http://a", "https://a/b", "gs://a", "ftp://a", "http://", "a", "")],
    "encode_image": lambda t: [t.encode_image(one) for one in (PNG, {"url": PNG}, t.Image(PNG), picture())],
    "audio of data": lambda t: t.Audio(WAV),
    "audio of fields": lambda t: t.Audio(data="AAAA", audio_format="mp3"),
    "audio of bytes": lambda t: t.Audio(recording()),
    "audio of bytes, mp3": lambda t: t.Audio(b"abc", audio_format="mp3"),
    "audio of dict": lambda t: t.Audio({"data": "AAAA", "audio_format": "wav"}),
    "audio of audio": lambda t: t.Audio(t.Audio(WAV)),
    "audio of text": lambda t: t.Audio("AAAA"),
    "audio of broken data": lambda t: t.Audio("data:audio/"),
    "audio of half": lambda t: t.Audio(data="AAAA"),
    "audio of a number": lambda t: t.Audio(3),
    "audio of two": lambda t: t.Audio(WAV, WAV),
    "audio of nothing": lambda t: t.Audio(),
    "audio with two formats": lambda t: t.Audio(WAV, audio_format="mp3"),
    "audio with two data": lambda t: t.Audio(WAV, data="x"),
    "audio with needless rate": lambda t: t.Audio(WAV, sampling_rate=3),
    "audio with more": lambda t: t.Audio(WAV, speaker="x"),
    "audio validated": lambda t: t.Audio.model_validate(WAV),
    "audio from no URL": lambda t: t.Audio.from_url("file:///x.wav"),
    "audio from no file": lambda t: t.Audio.from_path("missing.wav"),
    "audio from no audio": lambda t: t.Audio.from_path(__file__),
    "encode_audio": lambda t: [t.encode_audio(one, format="ogg") for one in (WAV, b"abc", t.Audio(WAV))],
    "file of bytes": lambda t: t.File(b"abc"),
    "file of data": lambda t: t.File("data:text/plain;base64,YQ==", filename="a.txt"),
    "file of plain data": lambda t: t.File("data:text/plain,abc"),
    "file of fields": lambda t: t.File(file_data="raw", file_id="f", filename="n"),
    "file of dict": lambda t: t.File({"file_id": "f"}),
    "file of wrong dict": lambda t: t.File({"id": "f"}),
    "file of file": lambda t: t.File(t.File(b"abc"), filename="n"),
    "file of text": lambda t: t.File("paper.pdf"),
    "file of a number": lambda t: t.File(3),
    "file of nothing": lambda t: t.File(),
    "file of two": lambda t: t.File(b"a", b"b"),
    "file twice": lambda t: t.File(b"a", file_data="b"),
    "file with more": lambda t: t.File(b"a", size=1),
    "file from id": lambda t: t.File.from_file_id("f", "n.pdf"),
    "file from bytes": lambda t: t.File.from_bytes(b"abc", "n.txt", "text/plain"),
    "file from no path": lambda t: t.File.from_path("missing.pdf"),
    "encode_file_to_dict": lambda t: [t.encode_file_to_dict(one) for one in (b"a", "data:a,b", t.File(b"a"))],
    "document": lambda t: t.Document(data="d", title="T", context="c"),
    "document of text": lambda t: t.Document.model_validate("d"),
    "document of PDF": lambda t: t.Document(data="JVBE", media_type="application/pdf"),
    "document of other media": lambda t: t.Document(data="d", media_type="text/html"),
    "document of a number": lambda t: t.Document.model_validate(3),
    "citations": lambda t: t.Citations.from_dict_list([{**CITATION, "document_title": "T", "supported_text": "s"}]),
    "citations of list": lambda t: t.Citations.model_validate([CITATION]),
    "citations of one": lambda t: t.Citations.model_validate(CITATION),
    "citations of dict": lambda t: t.Citations.model_validate({"citations": [CITATION]}),
    "citations of none": lambda t: t.Citations.model_validate([]),
    "citations of text": lambda t: t.Citations.model_validate("x"),
    "citations of half": lambda t: t.Citations.from_dict_list([{"cited_text": "t"}]),
    "citations read": lambda t: [len(c := t.Citations.model_validate([CITATION])), c[0], list(c)],
    "citations of answer": lambda t: t.Citations.parse_lm_response({"text": "x", "citations": [CITATION]}),
    "citations of plain answer": lambda t: [t.Citations.parse_lm_response(one) for one in ("x", {"text": "x"})],
    "code": lambda t: t.Code(code="x = 1"),
    "code in a block": lambda t: t.Code.model_validate("So:\n```python\nx = 1\n```\nand\n```\ny\n```"),
    "code in backquotes": lambda t: t.Code.model_validate("```x = 1```"),
    "code in java": lambda t: [t.Code["java"](code="x").language, t.Code["Java"].description(), t.Code["c"].__name__],
    "code of language twice": lambda t: [t.Code["java"]["c"].__name__, t.Code.language],
    "code of dict": lambda t: t.Code.model_validate({"code": "```\nx\n```"}),
    "code of wrong dict": lambda t: t.Code.model_validate({"text": "x"}),
    "code of wrong text": lambda t: t.Code.model_validate({"code": 3}),
    "code of a number": lambda t: t.Code.model_validate(3),
    "reasoning": lambda t: t.Reasoning(content="So it is."),
    "reasoning of text": lambda t: t.Reasoning.model_validate("So"),
    "reasoning of wrong dict": lambda t: t.Reasoning.model_validate({"text": "So"}),
    "reasoning of wrong text": lambda t: t.Reasoning.model_validate({"content": 3}),
    "reasoning of a number": lambda t: t.Reasoning.model_validate(3),
    "reasoning of answer": lambda t: t.Reasoning.parse_lm_response({"text": "x", "reasoning_content": "So"}),
    "reasoning of plain answer": lambda t: [t.Reasoning.parse_lm_response(one) for one in ("x", {"text": "x"})],
    "reasoning without attribute": lambda t: t.Reasoning(content="So").nothing,
    "history": lambda t: t.History(messages=[{"question": " q ", "answer": 1}]),
    "history with more": lambda t: t.History(messages=[], more=1),
    "history changed": lambda t: setattr(t.History(messages=[]), "messages", []),
    "type without format": lambda t: t.Type().format(),
    "streamable": lambda t: [t.Type.is_streamable(), t.Reasoning.is_streamable(), t.Citations.is_streamable()],
    "no chunk": lambda t: [one.parse_stream_chunk(object()) for one in (t.Type, t.Reasoning, t.Citations)],
    "found types": lambda t: [
        found.__name__
        for found in t.Type.extract_custom_type_from_annotation(
            dict[str, list[t.Image | None] | tuple[t.Audio, int]] | None  # type: ignore[name-defined]
        )
    ],
}


def outcome(make: Callable[[Any], Any], types: Any) -> Any:
    """What comes of it: the value in every form that a user sees, or the kinds of error that `except` may name."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            value = make(types)
        except Exception as error:  # noqa: BLE001 - any error is an outcome
            kinds = [kind.__name__ for kind in (TypeError, AttributeError, NotImplementedError, ImportError)]
            return "error", isinstance(error, ValueError), [kind for kind in kinds if kind == type(error).__name__]
    dumped = value.model_dump() if hasattr(value, "model_dump") else None
    formatted = value.format() if hasattr(value, "format") else None
    return str(value), repr(value), dumped, formatted, [warning.category for warning in warned]


@pytest.mark.parametrize("name", VALUES)
def test_values_are_the_same(name: str) -> None:
    theirs = outcome(VALUES[name], THEIRS)
    assert outcome(VALUES[name], OURS) == theirs
    if theirs[0] != "error" and hasattr(theirs, "model_dump_json"):
        assert VALUES[name](OURS).model_dump_json() == VALUES[name](THEIRS).model_dump_json()


@pytest.mark.parametrize("suffix", ["png", "jpg", "txt", "unheard-of"])
def test_files_are_read_the_same(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(b"content")
    for make in (
        lambda t: t.Image.from_path(str(path)),
        lambda t: t.Image.from_file(str(path)),
        lambda t: t.Audio.from_path(str(path)),
        lambda t: t.File.from_path(str(path)),
        lambda t: t.File.from_path(str(path), filename="n", mime_type="a/b"),
    ):
        assert outcome(make, OURS) == outcome(make, THEIRS)


def test_recordings_are_read_the_same(tmp_path: Path) -> None:
    for suffix in ("wav", "mp3", "flac", "ogg"):
        path = tmp_path / f"file.{suffix}"
        path.write_bytes(recording())
        assert outcome(lambda t, path=path: t.Audio.from_path(str(path)), OURS) == outcome(
            lambda t, path=path: t.Audio.from_path(str(path)), THEIRS
        )


STRING_LIKE: list[Callable[[Any], Any]] = [
    lambda r: r.strip(),
    lambda r: r.split(),
    lambda r: r.upper(),
    lambda r: r.count("o"),
    lambda r: r[0] + r[1:4],
    lambda r: len(r),
    lambda r: "So" in r,
    lambda r: list(r),
    lambda r: r + "!",
    lambda r: "!" + r,
    lambda r: str(r + r),
    lambda r: f"{r} {r!r}",
    lambda r: r == "So it is. ",
    lambda r: r != "So",
    lambda r: r == 3,
    lambda r: r.content.replace("S", "s"),
    lambda r: bool(r),
    lambda r: "-".join(r),
    lambda r: r.startswith("So"),
    lambda r: sorted(r),
]


@pytest.mark.parametrize("place", range(len(STRING_LIKE)))
def test_reasoning_reads_as_a_text(place: int) -> None:
    use = STRING_LIKE[place]
    assert use(OURS.Reasoning(content="So it is. ")) == use(THEIRS.Reasoning(content="So it is. "))


def test_public_names_and_arguments_are_the_same() -> None:
    for module in MODULES:
        theirs = importlib.import_module(f"dspy.adapters.types.{module}")
        ours = importlib.import_module(f"dspex.adapters.types.{module}")
        for name, value in vars(theirs).items():
            if name.startswith("_") or getattr(value, "__module__", None) != theirs.__name__:
                continue
            mine = getattr(ours, name)
            assert arguments(mine) == arguments(value), name
            if inspect.isclass(value):
                methods = {key: one for key, one in vars(value).items() if key[0] != "_" and callable(one)}
                for key in methods:
                    assert arguments(getattr(mine, key)) == arguments(getattr(value, key)), f"{name}.{key}"
                assert list(mine.model_fields) == list(value.model_fields)


def arguments(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [
        (each.name, each.kind, "unset" if type(each.default) is object else each.default)
        for each in parameters
        if inspect.isroutine(function) or inspect.isclass(function)
    ]


@pytest.fixture(params=["Image", "Audio", "File", "Code", "Reasoning", "ToolCalls", "Document", "Citations"])
def value(request: pytest.FixtureRequest) -> Any:
    return {
        "Image": lambda: OURS.Image(PNG),
        "Audio": lambda: OURS.Audio(WAV),
        "File": lambda: OURS.File(b"abc"),
        "Code": lambda: OURS.Code(code="x"),
        "Reasoning": lambda: OURS.Reasoning(content="x"),
        "ToolCalls": lambda: OURS.ToolCalls.from_dict_list([{"name": "f", "args": {"x": 1}}]),
        "Document": lambda: OURS.Document(data="x"),
        "Citations": lambda: OURS.Citations.from_dict_list([CITATION]),
    }[request.param]()


def test_values_survive_pickling_and_copying(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert value.model_copy(deep=True) == value


def test_schemas_are_the_same_but_for_docstrings() -> None:
    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: plain(one) for key, one in part.items() if not (key == "description" and isinstance(one, str))}
        return [plain(one) for one in part] if isinstance(part, list) else part

    for name in (
        "Image",
        "Audio",
        "File",
        "Code",
        "Reasoning",
        "ToolCalls",
        "ToolCallResults",
        "Document",
        "Citations",
    ):
        ours, theirs = getattr(OURS, name).model_json_schema(), getattr(THEIRS, name).model_json_schema()
        assert json.dumps(ours) == json.dumps(plain(theirs)), name
