"""`Tool` where it does more than DSPy's; what it has in common with it is in ``tests/parity/test_types_tools.py``."""

from __future__ import annotations

import asyncio
import functools
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

import dspex
from dspex.bridge import run_sync
from dspex.utils.langchain_tool import convert_langchain_tool
from dspex.utils.mcp import convert_mcp_tool


def search(query: str, top: int = 3, *, language: str = "en") -> list[str]:
    """Search the archive."""
    return [f"{query} {language}"] * top


async def slow(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


class Node(pydantic.BaseModel):
    value: int
    children: list[Node] = []


def total(node: Node) -> int:
    return node.value + sum(map(total, node.children))


def test_a_partial_is_told_as_its_function_without_what_is_given() -> None:
    tool = dspex.Tool(functools.partial(search, "cats", language="de"))
    assert (tool.name, tool.desc) == ("search", "Search the archive.")
    assert list(tool.args or {}) == ["top", "language"]
    assert (tool.args or {})["language"]["default"] == "de"
    assert tool(top=1) == ["cats de"]


def test_a_builtin_is_told_by_its_signature() -> None:
    assert list(dspex.Tool(len).args or {}) == ["obj"]


def test_a_class_is_told_by_its_constructor() -> None:
    class Account:
        def __init__(self, name: str, level: int = 1) -> None:
            self.name = name

    tool = dspex.Tool(Account)
    assert tool.args == {"name": {"type": "string"}, "level": {"type": "integer", "default": 1}}
    assert tool(name="Ada").name == "Ada"


def test_a_recursive_model_can_be_an_argument() -> None:
    tool = dspex.Tool(total)
    assert tool(node={"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}) == 6
    with pytest.raises(ValueError, match=r"tool total[\s\S]*node\.children\.0\.value"):
        tool(node={"value": 1, "children": [{"value": "much"}]})
    parameters = tool.format_as_litellm_function_call()["function"]["parameters"]
    assert set(parameters["$defs"]) == {"Node"}
    assert parameters["properties"] == {"node": {"$ref": "#/$defs/Node"}}


def test_an_unknown_argument_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"Arg q is not in the tool's args. Tool 'search' takes: query, top, language"):
        dspex.Tool(search)(q="cats")


def test_an_error_of_conversion_names_tool_and_argument() -> None:
    tool = dspex.Tool(search, args={"query": {}}, arg_types={"query": list[int]})
    with pytest.raises(pydantic.ValidationError, match=r"(?s)tool search.*query\.0"):
        tool(query=["x"])


def test_a_type_that_json_cannot_say_is_refused_with_its_argument() -> None:
    def strange(x: SimpleNamespace) -> None: ...

    with pytest.raises(dspex.UsageError, match="Tool 'strange': argument 'x' has the type"):
        dspex.Tool(strange)


def test_a_hint_that_is_not_to_be_found_is_refused_with_its_tool() -> None:
    def strange(x: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match="Tool 'strange': name 'Missing' is not defined"):
        dspex.Tool(strange)


async def test_an_async_tool_waits_inside_synchronous_code_on_an_event_loop() -> None:
    with dspex.context(allow_tool_async_sync_conversion=True):
        assert await run_sync(lambda: dspex.Tool(slow)(x=1)) == 2


async def test_a_sync_tool_called_with_acall_may_wait_for_the_engine() -> None:
    def outer(x: int) -> int:
        with dspex.context(allow_tool_async_sync_conversion=True):
            return int(dspex.Tool(slow)(x=x))

    assert await dspex.Tool(outer).acall(x=1) == 2


async def test_thousands_of_tools_wait_at_once() -> None:
    gate = asyncio.Event()
    waiting = 0

    async def wait() -> int:
        nonlocal waiting
        waiting += 1
        if waiting == 2000:
            gate.set()
        await gate.wait()
        return 1

    tool = dspex.Tool(wait)
    assert sum(await asyncio.gather(*(tool.acall() for _ in range(2000)))) == 2000


def test_a_plain_function_among_the_tools_is_found_by_its_name() -> None:
    call = dspex.ToolCalls.ToolCall(name="search", args={"query": "x", "top": 1})
    assert call.execute([search]) == ["x en"]
    assert call.execute() == ["x en"]


def test_executing_a_tool_converts_its_arguments() -> None:
    call = dspex.ToolCalls.ToolCall(name="total", args={"node": {"value": 4}})
    assert call.execute([dspex.Tool(total)]) == 4


def test_a_tool_of_an_old_mcp_client() -> None:
    """Version 1 of the mcp package named its fields in camel case."""

    class Session:
        async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
            text = SimpleNamespace(type="text", text=f"{name} {arguments}")
            return SimpleNamespace(content=[text], isError="bad" in arguments, structuredContent={"x": 1})

    schema = {"properties": {"x": {"type": ["integer", "null"]}, "bad": {}}}
    old = SimpleNamespace(name="old", description="Old", inputSchema=schema)
    tool = convert_mcp_tool(Session(), old)
    assert tool.args == schema["properties"]
    assert asyncio.run(tool.acall(x=1)) == "old {'x': 1}"
    assert asyncio.run(convert_mcp_tool(Session(), old, result_mode="structured").acall()) == {"x": 1}
    with pytest.raises(RuntimeError, match="Failed to call a MCP tool: old"):
        asyncio.run(tool.acall(bad=True))


def test_a_failing_langchain_tool_keeps_its_cause() -> None:
    from langchain_core.tools import tool

    @tool
    def broken(x: int) -> int:
        """Breaks."""
        raise KeyError("inside")

    with pytest.raises(RuntimeError, match="Failed to call LangChain tool broken") as caught:
        asyncio.run(convert_langchain_tool(broken).acall(x=1))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_langchain_tool_with_a_json_schema_for_its_arguments() -> None:
    from langchain_core.tools import StructuredTool

    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    made = StructuredTool.from_function(lambda x: x + 1, name="next", description="The next", args_schema=schema)
    tool = dspex.Tool.from_langchain(made)
    assert tool.args == {"x": {"type": "integer"}}
    assert asyncio.run(tool.acall(x=1)) == 2
