"""`Audio`: a recording for an LM."""

from __future__ import annotations

import io
import warnings
import wave
from typing import Any

import pydantic

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.data_uri import base64_of, media_type_of, read_file
from dspex.adapters.types.fetching import fetch, is_http_url


class Audio(Type):
    """A recording: ``Audio.from_path("talk.wav")``, ``Audio(bytes, audio_format="mp3")``, ``Audio(array)``.

    `data` is base64, `audio_format` the format as providers name it ("wav", "mp3"). Making one neither reads a file nor
    fetches anything; `from_path` and `from_url` do. The one positional argument is a data URI, bytes (with
    `audio_format`, else they are "wav"), an array of samples (with `sampling_rate` in Hz, else 16000), another
    recording, or a dict with `data` and `audio_format`.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    data: str
    audio_format: str

    def __init__(self, *args: Any, **data: Any) -> None:
        """Make a recording from one source, or from `data` and `audio_format`.

        Args:
            *args: At most one: a data URI, bytes, an array of samples, another `Audio` or a dict of the attributes.
            **data: The attributes; with a source `audio_format` (for bytes) or `sampling_rate` in Hz (for an array).

        Raises:
            TypeError: there is more than one positional argument.
            ValueError: the source is none of these.
        """
        if len(args) > 1:
            raise TypeError(f"Audio expected at most 1 positional argument, received {len(args)}")
        if args:
            data = _from_source(args[0], **data)
        super().__init__(**data)

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, values: Any) -> Any:
        """Accept what the constructor does."""
        return encode_audio(values)

    def format(self) -> list[dict[str, Any]]:
        """An ``input_audio`` content part."""
        return [{"type": "input_audio", "input_audio": {"data": self.data, "format": self.audio_format}}]

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Audio:
        """Fetch a recording, now, from wherever `url` and its redirects lead: check a URL that a stranger gave.

        Args:
            url: An HTTP(S) URL.
            verify: Whether the server's certificate must be valid.
            timeout: Seconds to wait for the server; None waits for ever.

        Raises:
            ValueError: `url` is none of HTTP, or what the server sent is not audio.
            FetchError: it could not be fetched (an `OSError`).
        """
        if not is_http_url(url):
            raise ValueError(f"Audio.from_url requires an HTTP(S) URL, received: {url}")
        content, media_type = fetch(url, verify=verify, timeout=timeout)
        return cls(data=base64_of(content), audio_format=_format_of(media_type or "audio/wav", url))

    @classmethod
    def from_path(cls, file_path: str) -> Audio:
        """Read a recording from a file.

        Raises:
            ValueError: there is no such file, or its name is not that of a recording.
        """
        content = read_file(file_path)
        return cls(data=base64_of(content), audio_format=_format_of(media_type_of(file_path), file_path))

    @classmethod
    def from_file(cls, file_path: str) -> Audio:
        """Deprecated: `from_path`."""
        warnings.warn("Audio.from_file: deprecated, use Audio.from_path instead.", DeprecationWarning, stacklevel=2)
        return cls.from_path(file_path)

    @classmethod
    def from_array(cls, array: Any, sampling_rate: int, format: str = "wav") -> Audio:
        """Make a recording of samples (one row a sample, one column a channel), in 16 bits.

        Args:
            array: floats from -1 to 1, or integers of 16 or 32 bits.
            sampling_rate: samples a second.
            format: "wav"; any other format needs the package soundfile.

        Raises:
            ImportError: soundfile is needed, and not installed.
            ValueError: the array is of another type.
        """
        write = _wav if format.lower() == "wav" else _other_format
        return cls(data=base64_of(write(array, sampling_rate, format)), audio_format=format)

    def __str__(self) -> str:
        return str(self.serialize_model())

    def __repr__(self) -> str:
        return f"Audio(data=<AUDIO_BASE_64_ENCODED({len(self.data)})>, audio_format='{self.audio_format}')"


def encode_audio(audio: Any, sampling_rate: int = 16000, format: str = "wav") -> dict[str, Any]:
    """Turn whatever `Audio` takes into its `data` and `audio_format`.

    Args:
        audio: A data URI, bytes, an array of samples, an `Audio`, or a dict with both attributes.
        sampling_rate: Samples per second of an array.
        format: The format of bytes, and the one to write an array in.

    Raises:
        ValueError: `audio` is none of these.
    """
    if isinstance(audio, Audio):
        return {"data": audio.data, "audio_format": audio.audio_format}
    if isinstance(audio, dict) and "data" in audio and "audio_format" in audio:
        return audio
    if isinstance(audio, str):
        return _from_text(audio)
    if isinstance(audio, bytes):
        return {"data": base64_of(audio), "audio_format": format}
    if hasattr(audio, "shape"):
        return encode_audio(Audio.from_array(audio, sampling_rate, format))
    given = f"a dict with {', '.join(map(repr, audio)) or 'nothing'}" if isinstance(audio, dict) else str(type(audio))
    raise ValueError(
        f"Unsupported type for encode_audio: {given}. Give a data URI, bytes, an array of samples, a dict with `data` "
        "and `audio_format`, or use Audio.from_path()."
    )


def _from_source(source: Any, **given: Any) -> dict[str, Any]:
    """The fields of a recording made of `source`."""
    if "data" in given:
        raise TypeError("Audio received data as both a positional and keyword argument")
    audio_format, sampling_rate = given.pop("audio_format", None), given.pop("sampling_rate", None)
    if audio_format is not None and _carries_its_format(source):
        raise TypeError(
            "Audio received audio_format alongside an input that already carries its format; provide only one"
        )
    if sampling_rate is not None and not hasattr(source, "shape"):
        raise TypeError("Audio received sampling_rate for a non-array input; it only applies to array data")
    return {**encode_audio(source, sampling_rate or 16000, audio_format or "wav"), **given}


def _carries_its_format(source: Any) -> bool:
    if isinstance(source, dict):
        return "audio_format" in source
    return isinstance(source, Audio) or (isinstance(source, str) and source.startswith("data:audio/"))


def _from_text(text: str) -> dict[str, Any]:
    if not text.startswith("data:audio/"):
        raise ValueError(
            "String audio inputs must be data URIs. Load local files with Audio.from_path() and remote resources with "
            "Audio.from_url(); base64 is given as Audio(data=..., audio_format=...)."
        )
    head, comma, data = text.partition(",")
    audio_format = head.removeprefix("data:audio/").partition(";")[0]
    if not comma or not audio_format:
        raise ValueError("Malformed audio data URI: it must read data:audio/<format>;base64,<data>.")
    return {"data": data, "audio_format": audio_format.removeprefix("x-")}


def _format_of(media_type: str | None, where: str) -> str:
    if not media_type or not media_type.startswith("audio/"):
        raise ValueError(
            f"Unsupported MIME type for audio: {media_type} ({where}). Give a recording, such as .wav or .mp3."
        )
    return media_type.partition("/")[2].removeprefix("x-")


def _wav(array: Any, sampling_rate: int, format: str) -> bytes:
    """The bytes that libsndfile would write."""
    samples = _sixteen_bits(array)
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(samples.shape[1] if samples.ndim > 1 else 1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return written.getvalue()


def _sixteen_bits(array: Any) -> Any:
    import numpy as np

    samples = np.asarray(array)
    if samples.dtype == np.int16:
        return samples
    if samples.dtype == np.int32:
        return samples >> 16
    if samples.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"dtype must be one of 'float32', 'float64', 'int16', 'int32' and not '{samples.dtype}'. "
            "Convert the samples with array.astype(...)."
        )
    return np.clip(np.rint(samples.astype(np.float64) * 2.0**31), -(2**31), 2**31 - 1).astype(np.int64) >> 16


def _other_format(array: Any, sampling_rate: int, format: str) -> bytes:
    try:
        import soundfile  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise ImportError(
            f"soundfile is required to process audio arrays as {format!r}: pip install soundfile, or use format='wav'."
        ) from error
    written = io.BytesIO()
    soundfile.write(written, array, sampling_rate, format=format.upper(), subtype="PCM_16")
    return written.getvalue()
