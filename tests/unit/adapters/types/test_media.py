"""Pictures, recordings and files that are fetched or made of arrays; parity tests cover what else they are made of."""

from __future__ import annotations

import base64
import io
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import dspex
from dspex.adapters.types.fetching import FetchError, FetchTimeoutError, fetch
from dspex.bridge import run_sync

ANSWERS = {
    "/cat.png": (200, "image/png", b"picture"),
    "/parameters": (200, "image/jpeg; charset=binary", b"picture"),
    "/untyped.gif": (200, "", b"picture"),
    "/untyped": (200, "", b"picture"),
    "/talk": (200, "audio/x-wav", b"sound"),
    "/talk;codecs": (200, "audio/ogg; codecs=opus", b"sound"),
    "/page": (200, "text/html", b"<html>"),
    "/missing": (404, "text/plain", b""),
    "/moved": (302, "", b""),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, media_type, body = ANSWERS[self.path]
        self.send_response(status)
        if media_type:
            self.send_header("Content-Type", media_type)
        if status == 302:
            self.send_header("Location", "/cat.png")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/cat.png", "image/png"), ("/parameters", "image/jpeg"), ("/untyped.gif", "image/gif"), ("/moved", "image/png")],
)
def test_a_picture_is_fetched(web: str, path: str, media_type: str) -> None:
    assert dspex.Image.from_url(web + path).url == f"data:{media_type};base64,{encoded(b'picture')}"


def test_the_deprecated_way_to_fetch_a_picture(web: str) -> None:
    with pytest.warns(DeprecationWarning, match="Image.from_url"):
        assert dspex.Image(f"{web}/cat.png", download=True).url.startswith("data:image/png")
    with pytest.warns(DeprecationWarning, match="Image.from_url"):
        assert dspex.Image(f"{web}/cat.png", download=False).url == f"{web}/cat.png"


def test_making_a_picture_of_a_url_fetches_nothing() -> None:
    assert dspex.Image("http://127.0.0.1:9/never").url == "http://127.0.0.1:9/never"


def test_data_can_not_ask_for_a_fetch(web: str) -> None:
    with pytest.raises(TypeError, match="only valid with a positional image source"):
        dspex.Image.model_validate({"url": f"{web}/cat.png", "download": True})


def test_a_picture_of_unknown_kind_is_refused(web: str) -> None:
    with pytest.raises(ValueError, match="Could not determine MIME type for URL"):
        dspex.Image.from_url(f"{web}/untyped")


@pytest.mark.parametrize(("path", "kind"), [("/talk", "wav"), ("/talk;codecs", "ogg")])
def test_a_recording_is_fetched(web: str, path: str, kind: str) -> None:
    audio = dspex.Audio.from_url(web + path)
    assert (audio.data, audio.audio_format) == (encoded(b"sound"), kind)


def test_what_is_no_recording_is_refused(web: str) -> None:
    with pytest.raises(ValueError, match="Unsupported MIME type for audio: text/html"):
        dspex.Audio.from_url(f"{web}/page")


def test_a_failed_fetch_says_why(web: str) -> None:
    with pytest.raises(FetchError, match="answered with status 404"):
        dspex.Image.from_url(f"{web}/missing")
    with pytest.raises(OSError, match="could not be fetched"):
        dspex.Image.from_url("http://127.0.0.1:1/refused")


def test_a_server_that_never_answers_is_given_up() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchTimeoutError, match="did not answer within"):
            fetch(url, timeout=0.05)
        with pytest.raises(TimeoutError):
            dspex.Audio.from_url(url, timeout=0.05)


async def test_a_fetch_inside_synchronous_code_waits_on_the_event_loop(web: str) -> None:
    image = await run_sync(dspex.Image.from_url, f"{web}/cat.png")
    assert image.url.startswith("data:image/png")


def test_a_missing_file_is_named() -> None:
    for kind in (dspex.Image, dspex.Audio, dspex.File):
        with pytest.raises(ValueError, match=r"File not found: pictures/none\.png"):
            kind.from_path("pictures/none.png")


def test_a_path_object_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    assert dspex.Image.from_path(path).url == f"data:image/png;base64,{encoded(b'x')}"  # type: ignore[arg-type]
    assert dspex.File.from_path(path).filename == "a.png"  # type: ignore[arg-type]


def read(audio: dspex.Audio) -> tuple[wave._wave_params, np.ndarray]:
    with wave.open(io.BytesIO(base64.b64decode(audio.data))) as file:
        return file.getparams(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_an_array_of_samples_becomes_a_wav() -> None:
    samples = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 1.5 / 32768])
    parameters, written = read(dspex.Audio.from_array(samples, 8000))
    assert (parameters.framerate, parameters.nchannels, parameters.sampwidth) == (8000, 1, 2)
    assert list(written) == [0, 16384, -16384, 32767, -32768, 32767, 1]


def test_an_array_of_two_channels_and_of_integers() -> None:
    samples = np.array([[1, -1], [2, -2], [3, -3]], dtype=np.int16)
    parameters, written = read(dspex.Audio(samples, sampling_rate=44100))
    assert (parameters.framerate, parameters.nchannels, parameters.nframes) == (44100, 2, 3)
    assert list(written) == [1, -1, 2, -2, 3, -3]
    assert list(read(dspex.Audio(samples.astype(np.int32) << 16))[1]) == [1, -1, 2, -2, 3, -3]


def test_an_array_of_other_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dtype must be one of .* not 'int64'.*astype"):
        dspex.Audio.from_array(np.zeros(3, np.int64), 8000)


def test_another_format_than_wav_needs_soundfile(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match="pip install soundfile"):
        dspex.Audio.from_array(np.zeros(3), 8000, format="flac")


def test_bytes_of_a_picture_need_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        dspex.Image(b"bytes")
