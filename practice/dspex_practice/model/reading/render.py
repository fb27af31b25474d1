"""Writing an answer in the layout that the prompt asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex_practice.model.reading.prompt import Layout


def render(values: Mapping[str, Any], layout: Layout) -> str:
    """`values` by field name as the text of an answer."""
    if layout is Layout.JSON:
        return orjson.dumps(values).decode()
    if layout is Layout.XML:
        return "\n\n".join(f"<{name}>\n{_xml(value)}\n</{name}>" for name, value in values.items())
    if layout is Layout.FREE:
        return "\n".join(_text(value) for value in values.values())
    blocks = [f"[[ ## {name} ## ]]\n{_text(value)}" for name, value in values.items()]
    return "\n\n".join([*blocks, "[[ ## completed ## ]]"])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool) or value is None else orjson.dumps(value).decode()


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_xml(part)}</item>" for part in value)
    return _text(value)
