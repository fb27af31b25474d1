"""`File`: a file for an LM, such as a PDF, by content or by a provider's id."""

from __future__ import annotations

import os
from typing import Any

import pydantic

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.data_uri import data_uri, media_type_of, read_file

_KEYS = ("file_data", "file_id", "filename")


class File(Type):
    """A file: ``File.from_path("paper.pdf")``, ``File(bytes)``, ``File.from_file_id("file-123")``.

    Making one reads no file; `from_path` does. The one positional argument is bytes, a data URI, another file, or a
    dict of the attributes.

    Attributes:
        file_data: the content, as a data URI.
        file_id: the id of a file that was uploaded to the provider before.
        filename: the name that the LM sees.
    """

    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, validate_assignment=True, extra="forbid")

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None

    def __init__(self, *args: Any, **data: Any) -> None:
        """Make a file from one source, or from the attributes.

        Args:
            *args: At most one: bytes, a data URI, another `File`, or a dict of the attributes.
            **data: The attributes that the source does not set.

        Raises:
            TypeError: there is more than one positional argument, or an attribute is given twice.
        """
        if len(args) > 1:
            raise TypeError(f"File expected at most 1 positional argument, received {len(args)}")
        if args:
            source = encode_file_to_dict(args[0])
            if twice := sorted(set(source) & set(data)):
                raise TypeError(
                    f"File received {', '.join(twice)} from both the positional source and keyword arguments"
                )
            data = {**source, **data}
        super().__init__(**data)

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, values: Any) -> Any:
        """Accept what the constructor does."""
        return encode_file_to_dict(values)

    def format(self) -> list[dict[str, Any]]:
        """A ``file`` content part."""
        return [{"type": "file", "file": {key: getattr(self, key) for key in _KEYS if getattr(self, key)}}]

    @classmethod
    def from_path(cls, file_path: str, filename: str | None = None, mime_type: str | None = None) -> File:
        """Read a file and put its content into the prompt as a data URI.

        Args:
            file_path: Where the file is.
            filename: The name that the LM sees, in place of the file's own.
            mime_type: The media type, in place of the one that the file's name suggests.

        Raises:
            ValueError: there is no such file.
        """
        name = os.path.basename(file_path) if filename is None else filename
        media_type = mime_type or media_type_of(file_path) or "application/octet-stream"
        return cls(file_data=data_uri(read_file(file_path), media_type), filename=name)

    @classmethod
    def from_bytes(
        cls, file_bytes: bytes, filename: str | None = None, mime_type: str = "application/octet-stream"
    ) -> File:
        """Make a file of raw bytes.

        Args:
            file_bytes: The content.
            filename: The name that the LM sees.
            mime_type: The media type, such as ``application/pdf``.
        """
        return cls(file_data=data_uri(file_bytes, mime_type), filename=filename)

    @classmethod
    def from_file_id(cls, file_id: str, filename: str | None = None) -> File:
        """Refer to a file that was uploaded to the provider before.

        Args:
            file_id: The provider's id.
            filename: The name that the LM sees.
        """
        return cls(file_id=file_id, filename=filename)

    def __str__(self) -> str:
        return str(self.serialize_model())

    def __repr__(self) -> str:
        named = [f"{key}='{getattr(self, key)}'" for key in ("file_id", "filename") if getattr(self, key) is not None]
        return f"File({', '.join([*_short(self.file_data), *named])})"


def encode_file_to_dict(file_input: Any) -> dict[str, Any]:
    """Turn whatever `File` takes into its attributes.

    Raises:
        ValueError: it takes no such thing.
    """
    if isinstance(file_input, File):
        return {key: getattr(file_input, key) for key in _KEYS if getattr(file_input, key) is not None}
    if isinstance(file_input, dict):
        if not any(key in file_input for key in _KEYS):
            raise ValueError("Value of `dspex.File` must contain at least one of: file_data, file_id, or filename")
        return file_input
    if isinstance(file_input, bytes):
        return {"file_data": data_uri(file_input, "application/octet-stream")}
    if not isinstance(file_input, str):
        raise ValueError(
            f"Unsupported file input type: {type(file_input)}. Give bytes, a data URI, or use File.from_path()."
        )
    if not file_input.startswith("data:"):
        raise ValueError(
            f"String file inputs must be data URIs, received: {file_input[:200]}. "
            "Load local files with File.from_path()."
        )
    return {"file_data": file_input}


def _short(file_data: str | None) -> list[str]:
    """`file_data` for a `repr`."""
    if file_data is None:
        return []
    if not file_data.startswith("data:"):
        return [f"file_data=<DATA({len(file_data)} chars)>"]
    media_type = file_data.removeprefix("data:").partition(";")[0]
    content = file_data.partition("base64,")[2] if "base64," in file_data else file_data
    return [f"file_data=<DATA_URI({media_type}, {len(content)} chars)>"]
