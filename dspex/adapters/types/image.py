"""`Image`: a picture for an LM, by reference or by content."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any
from urllib.parse import urlparse

import pydantic

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.data_uri import data_uri, media_type_of, read_file
from dspex.adapters.types.fetching import fetch, is_http_url

_UNSET: Any = object()


class Image(Type):
    """A picture: ``Image("https://...")`` for the provider to fetch, ``Image.from_path("cat.png")``, ``Image(bytes)``.

    `url` is a URL or a data URI. Making an image neither reads a file nor fetches anything, since a source may come
    from an LM's answer; `from_path` and `from_url` do.

    Args:
        source: a URL (http, https or gs), a data URI, the bytes of a file, a PIL image, another image, or a dict of
            one of them under ``url``.
        download: deprecated: fetch the URL now. Use `from_url`.
        verify: deprecated: whether the server's certificate must be valid. Use `from_url`.
    """

    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, validate_assignment=True, extra="forbid")

    url: str

    def __init__(self, source: Any = None, /, *, download: Any = _UNSET, verify: Any = _UNSET, **data: Any) -> None:
        deprecated = download is not _UNSET or verify is not _UNSET
        if deprecated and source is None:  # as keywords they may come from an LM's answer, which must not cause fetches
            raise TypeError(
                "`download` and `verify` are only valid with a positional image source; "
                "use Image.from_url(url, verify=...) to download a remote image."
            )
        if deprecated:
            _deprecated("The `download` and `verify` arguments of Image()", "Image.from_url(url, verify=...)")
        if source is not None and "url" in data:
            raise TypeError("Image received both `source` and `url`; provide only one image source.")
        if source is not None:
            data["url"] = source["url"] if isinstance(source, dict) and set(source) == {"url"} else source
        url = data.get("url")
        if deprecated and download is not _UNSET and download and isinstance(url, str) and is_http_url(url):
            data["url"] = _fetched(url, True if verify is _UNSET else verify, 30.0)
        elif "url" in data:
            data["url"] = encode_image(url)
        super().__init__(**data)

    def format(self) -> list[dict[str, Any]]:
        """An ``image_url`` content part."""
        return [{"type": "image_url", "image_url": {"url": self.url}}]

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Image:
        """Fetch a picture, now. It is fetched from wherever `url` and its redirects say: check a URL of a stranger's.

        Args:
            url: An HTTP(S) URL.
            verify: whether the server's certificate must be valid.
            timeout: seconds to wait for the server; None waits for ever.

        Raises:
            ValueError: `url` is none of HTTP, or neither the server nor the URL tells the media type.
            FetchError: it could not be fetched (an `OSError`).
        """
        if not is_http_url(url):
            raise ValueError(f"Image.from_url requires an HTTP(S) URL, received: {url}")
        return cls(_fetched(url, verify, timeout))

    @classmethod
    def from_path(cls, file_path: str) -> Image:
        """Read a picture from a file.

        Raises:
            ValueError: there is no such file, or its name does not tell the media type.
        """
        content, media_type = read_file(file_path), media_type_of(file_path)
        if media_type is None:
            raise ValueError(
                f"Could not determine MIME type for file: {file_path}. Give it a name that ends in .png, .jpg, ..., "
                "or pass its bytes: Image(bytes)."
            )
        return cls(data_uri(content, media_type))

    @classmethod
    def from_file(cls, file_path: str) -> Image:
        """Deprecated: `from_path`."""
        _deprecated("Image.from_file", "Image.from_path")
        return cls.from_path(file_path)

    @classmethod
    def from_PIL(cls, pil_image: Any) -> Image:  # DSPy's name
        """Deprecated: ``Image(pil_image)``."""
        _deprecated("Image.from_PIL", "Image(pil_image)")
        return cls(pil_image)

    def __str__(self) -> str:
        return str(self.serialize_model())

    def __repr__(self) -> str:
        if "base64," not in self.url:
            return f"Image(url='{self.url}')"
        head, _, content = self.url.partition("base64,")
        kind = head.partition(";")[0].rpartition("/")[2]
        return f"Image(url=data:image/{kind};base64,<IMAGE_BASE_64_ENCODED({len(content)})>)"


def is_url(string: str) -> bool:
    """Say whether `string` is a URL that a provider may fetch a picture from (http, https, gs)."""
    try:
        parts = urlparse(string)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "gs") and bool(parts.netloc)


def is_image(obj: Any) -> bool:
    """Say whether `obj` is a PIL image, a data URI or a URL."""
    return _is_pil_image(obj) or (isinstance(obj, str) and (obj.startswith("data:") or is_url(obj)))


def encode_image(image: Any) -> str:
    """Turn whatever `Image` takes into a URL or data URI.

    Raises:
        ValueError: it takes no such thing.
        ImportError: bytes are given, and Pillow, which tells their format, is not installed.
    """
    if isinstance(image, dict) and "url" in image:
        return encode_image(image["url"])
    if isinstance(image, Image):
        return image.url
    if isinstance(image, str):
        if image.startswith("data:") or is_url(image):
            return image
        raise ValueError(
            f"Unrecognized image string: {image[:200]}. Local files must be loaded with Image.from_path(); else give a "
            "URL (http, https, gs) or a data URI."
        )
    if isinstance(image, bytes):
        return _encode_bytes(image)
    if _is_pil_image(image):
        return _encode_pil_image(image)
    raise ValueError(
        f"Unsupported image type: {type(image)}. Give a URL, a data URI, bytes, a PIL image, or use Image.from_path()."
    )


def _is_pil_image(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")  # not loaded: there can be no such image
    return pillow is not None and isinstance(value, pillow.Image)


def _encode_bytes(content: bytes) -> str:
    try:
        from PIL import Image as Pillow
        from PIL import UnidentifiedImageError
    except ImportError as error:
        raise ImportError(
            "Pillow is required to process image bytes: pip install pillow, or give a data URI that names the format."
        ) from error
    try:
        return _encode_pil_image(Pillow.open(io.BytesIO(content)))
    except UnidentifiedImageError as error:
        raise ValueError(f"Bytes could not be identified as an image: {error}") from error


def _encode_pil_image(image: Any) -> str:
    kind = image.format or "PNG"
    media_type = media_type_of(f"file.{kind.lower()}")
    if media_type is None:
        raise ValueError(f"Could not determine MIME type for image format: {kind}. Convert it to PNG or JPEG first.")
    written = io.BytesIO()
    image.save(written, format=kind)
    return data_uri(written.getvalue(), media_type)


def _fetched(url: str, verify: bool, timeout: float | None) -> str:
    content, given = fetch(url, verify=verify, timeout=timeout)
    media_type = given or media_type_of(url)
    if not media_type:
        raise ValueError(
            f"Could not determine MIME type for URL: {url}. Fetch it yourself and give its bytes: Image(bytes)."
        )
    return data_uri(content, media_type)


def _deprecated(what: str, instead: str) -> None:
    """A warning that points at whoever called the method of `Image`."""
    warnings.warn(f"{what}: deprecated, use {instead} instead.", DeprecationWarning, stacklevel=3)
