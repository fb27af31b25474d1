"""Tools that were made for LangChain."""

from __future__ import annotations

import inspect
from typing import Any

from dspex.adapters.types.tool_schema import convert_input_schema_to_tool_args


def langchain_tool_arguments(tool: Any) -> dict[str, Any]:
    """Gather the arguments of `Tool` for a tool made for LangChain. See `Tool.from_langchain`."""
    schema = tool.args_schema
    if not inspect.isclass(schema):  # LangChain also takes a JSON schema, as its MCP adapters give
        schema = schema or tool.get_input_schema()
    is_model = inspect.isclass(schema)
    args, types, descriptions = convert_input_schema_to_tool_args(schema.model_json_schema() if is_model else schema)
    if is_model:
        types = {name: field.annotation or Any for name, field in schema.model_fields.items()}

    async def func(**kwargs: Any) -> Any:
        try:
            return await tool.ainvoke(kwargs)
        except Exception as error:
            raise RuntimeError(f"Failed to call LangChain tool {tool.name}: {error}") from error

    return {
        "func": func,
        "name": tool.name,
        "desc": tool.description,
        "args": args,
        "arg_types": types,
        "arg_desc": descriptions,
    }
