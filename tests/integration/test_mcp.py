"""Tools of a real MCP server, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.clients import BaseLM

mcp = pytest.importorskip("mcp")
from mcp.client.stdio import stdio_client  # noqa: E402

SERVER = mcp.StdioServerParameters(command=sys.executable, args=[str(Path(__file__).with_name("mcp_server.py"))])


@asynccontextmanager
async def session() -> AsyncIterator[Any]:
    """A session with the server; what the server logs is not shown."""
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - it does not block
        async with (
            stdio_client(SERVER, errlog=nowhere) as (reader, writer),
            mcp.ClientSession(reader, writer) as opened,
        ):
            await opened.initialize()
            yield opened


async def tools(opened: Any, **options: Any) -> dict[str, dspex.Tool]:
    listed = (await opened.list_tools()).tools
    return {tool.name: dspex.Tool.from_mcp_tool(opened, tool, **options) for tool in listed}


async def test_tools_are_told_as_dspy_tells_them() -> None:
    dspy = pytest.importorskip("dspy")
    async with session() as opened:
        for tool in (await opened.list_tools()).tools:
            ours, theirs = dspex.Tool.from_mcp_tool(opened, tool), dspy.Tool.from_mcp_tool(opened, tool)
            assert str(ours) == str(theirs)
            assert ours.format_as_litellm_function_call() == theirs.format_as_litellm_function_call()
            assert (ours.arg_types, ours.arg_desc) == (theirs.arg_types, theirs.arg_desc)


async def test_results_are_texts_or_else_other_contents() -> None:
    async with session() as opened:
        tool = await tools(opened)
        assert await tool["add"].acall(a=1) == "3"
        assert await tool["today"].acall() == "Monday"
        assert await tool["titles"].acall() == ["first", "second"]
        [picture] = await tool["picture"].acall()
        assert (picture.type, picture.data) == ("image", "cG5n")
        order = {"account": {"name": "Ada"}, "items": ["a", "b"]}
        assert json.loads(await tool["place"].acall(order=order))["count"] == 2


async def test_structured_results() -> None:
    async with session() as opened:
        tool = await tools(opened, result_mode="structured")
        order = {"account": {"name": "Ada", "level": 2}, "items": []}
        expected = {"for": "Ada", "level": 2, "count": 0, "urgent": True}
        assert await tool["place"].acall(order=order, urgent=True) == expected
        assert await tool["titles"].acall() == ["first", "second"]


async def test_a_failing_tool_raises_what_the_server_says() -> None:
    async with session() as opened:
        tool = await tools(opened)
        with pytest.raises(RuntimeError, match=r"Failed to call a MCP tool: .*fail"):
            await tool["fail"].acall(reason="no reason")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("add", {"a": "one"}), ("place", {"order": {"account": {"name": "Ada"}}}), ("place", {"order": "all"})],
)
async def test_wrong_arguments_are_refused_before_the_server_is_asked(name: str, arguments: dict[str, Any]) -> None:
    async with session() as opened:
        tool = await tools(opened)
        with pytest.raises(ValueError, match="is invalid: "):
            await tool[name].acall(**arguments)


async def test_a_tool_works_through_the_high_level_client() -> None:
    if not hasattr(mcp, "Client"):
        pytest.skip("this version of mcp has no high-level client")
    async with mcp.Client(SERVER) as client:
        assert await (await tools(client))["add"].acall(a=2, b=2) == "4"


class Caller(BaseLM):
    """Asks for one call of a tool."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        from types import SimpleNamespace

        text = '[[ ## calls ## ]]\n{"tool_calls": [{"name": "add", "args": {"a": 40}}]}\n\n[[ ## completed ## ]]'
        choice = SimpleNamespace(message=SimpleNamespace(content=text), finish_reason="stop")
        return SimpleNamespace(choices=[choice], usage={}, model="caller")


class Act(dspex.Signature):
    """Use the tools."""

    question: str = dspex.InputField()
    tools: list[dspex.Tool] = dspex.InputField()
    calls: dspex.ToolCalls = dspex.OutputField()


async def test_an_lms_call_is_executed_on_the_server() -> None:
    async with session() as opened:
        given = list((await tools(opened)).values())
        with dspex.context(lm=Caller("caller")):
            answer = await dspex.Predict(Act).acall(question="40 + 2?", tools=given)
        assert await answer.calls.tool_calls[0].execute(given) == "42"


def test_an_unknown_result_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="Unsupported MCP result mode: 'html'"):
        dspex.Tool.from_mcp_tool(None, mcp.Tool(name="x", inputSchema={}), result_mode="html")  # type: ignore[arg-type]
