"""A small MCP server, over standard input and output: what `test_mcp` talks to."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel

try:
    from mcp.server import MCPServer
except ImportError:  # mcp 1.x
    from mcp.server.fastmcp import FastMCP as MCPServer  # type: ignore[no-redef, import-not-found, unused-ignore]
from mcp.types import ImageContent, TextContent

server = MCPServer("archive")


class Account(BaseModel):
    """A user's account."""

    name: str
    level: int = 1


class Order(BaseModel):
    account: Account
    items: list[str]
    note: str | None = None


@server.tool()
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def place(order: Order, urgent: bool = False) -> dict[str, Any]:
    """Place an order."""
    return {"for": order.account.name, "level": order.account.level, "count": len(order.items), "urgent": urgent}


@server.tool()
def fail(reason: str) -> str:
    """Always fails."""
    raise ValueError(reason)


@server.tool(structured_output=False)
def titles() -> list[TextContent]:
    """Several texts."""
    return [TextContent(type="text", text="first"), TextContent(type="text", text="second")]


@server.tool(structured_output=False)
def picture() -> ImageContent:
    """No text at all."""
    return ImageContent(type="image", data=base64.b64encode(b"png").decode(), mimeType="image/png")


@server.tool()
def today() -> str:
    return "Monday"


if __name__ == "__main__":
    server.run("stdio")
