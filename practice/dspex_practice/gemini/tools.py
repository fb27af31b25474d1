"""Tools as Gemini's format writes them: function declarations and the mode of calling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.gemini.json_schema import from_openapi
from dspex_practice.gemini.names import camel
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.tokens import count_tokens
from dspex_practice.model.tools import OfferedTool, Toolbox, ToolDemand

_MODES = {
    "MODE_UNSPECIFIED": ToolDemand.FREE,
    "AUTO": ToolDemand.FREE,
    "VALIDATED": ToolDemand.FREE,
    "ANY": ToolDemand.SOME,
    "NONE": ToolDemand.NONE,
}


def read_toolbox(body: Mapping[str, Any]) -> tuple[Toolbox, int]:
    """The tools of a request, and how many tokens they take."""
    tools: list[OfferedTool] = []
    written: list[Any] = []
    for i, each in enumerate(read.objects(body, "tools")):
        offered = camel(each)
        if unknown := [name for name in offered if name != "functionDeclarations"]:
            raise BadRequestError(f"The practice model has no tool {unknown[0]}.", f"tools[{i}].{unknown[0]}")
        declared = read.objects(offered, "functionDeclarations", f"tools[{i}].")
        tools += [_tool(camel(one), f"tools[{i}].function_declarations[{j}]") for j, one in enumerate(declared)]
        written += declared
    config = camel(read.mapping(body, "toolConfig") or {})
    calling = camel(read.mapping(config, "functionCallingConfig") or {})
    mode = read.one_of(calling, "mode", _MODES, "AUTO", "toolConfig.functionCallingConfig.")
    allowed = read.strings(calling, "allowedFunctionNames", len(tools))
    if unknown := [name for name in allowed if name not in [tool.name for tool in tools]]:
        raise BadRequestError(f"{unknown[0]!r} is not declared.", "toolConfig.functionCallingConfig")
    tokens = count_tokens(orjson.dumps(written).decode()) if written else 0
    return Toolbox(tuple(tools), _MODES[mode], allowed), tokens


def _tool(one: Mapping[str, Any], place: str) -> OfferedTool:
    plain = read.mapping(one, "parametersJsonSchema", f"{place}.")
    given = read.mapping(one, "parameters", f"{place}.")
    parameters = plain if plain is not None else from_openapi(given)
    return OfferedTool(read.text(one, "name", f"{place}."), str(one.get("description") or ""), parameters)
