"""What a tool takes, as JSON schemas: read off a Python function, or off the schema that another system gives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, get_type_hints

import pydantic
import pydantic_core

from dspex.errors import UsageError

_PYTHON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}


class Arguments(NamedTuple):
    """The arguments of a function: the JSON schema and the Python type of each, and whether it takes any others."""

    schemas: dict[str, Any]
    types: dict[str, Any]
    any_others: bool


def arguments_of(func: Callable[..., Any], name: str, descriptions: Mapping[str, str] | None = None) -> Arguments:
    """Read the arguments of `func` off its type hints; an argument without one may be anything.

    Args:
        func: The function.
        name: The tool's name, for errors.
        descriptions: What arguments mean, by name; becomes part of their schemas.

    Raises:
        UsageError: an argument has a type that no JSON can be read as.
        NameError: a type hint in quotes names what cannot be found.
    """
    parameters = _signature(func).parameters
    hints = _hints(func, name)
    types = {key: hints.get(key, Any) for key in parameters}
    schemas = {}
    for key, annotation in types.items():
        schema = schemas[key] = _schema_of(annotation, key, name)
        if parameters[key].default is not inspect.Parameter.empty:
            schema["default"] = _json_default(parameters[key].default)
        if descriptions and key in descriptions:
            schema["description"] = descriptions[key]
    any_others = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return Arguments(schemas, types, any_others)


def convert_input_schema_to_tool_args(
    schema: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Derive the `args`, `arg_types` and `arg_desc` of a `Tool` from the JSON schema of its input (MCP's, for example).

    Args:
        schema: the schema of an object; each of its `properties` is an argument.
    """
    args: dict[str, Any] = {}
    arg_types: dict[str, Any] = {}
    arg_desc: dict[str, str] = {}
    definitions = _definitions(schema)
    required = schema.get("required") or ()
    for name, argument in (schema.get("properties") or {}).items():
        args[name] = inlined({**argument, "$defs": definitions}) if definitions else argument
        kind = args[name].get("type")
        arg_types[name] = _PYTHON_TYPES.get(kind, Any) if isinstance(kind, str) else Any
        description = args[name].get("description", "No description provided.")
        arg_desc[name] = f"{description} (Required)" if name in required else description
    return args, arg_types, arg_desc


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with every reference replaced by what it refers to.

    A definition that refers to itself cannot be written out: references to it stay, and it stays under ``$defs``.
    """
    definitions = _definitions(schema)
    if not definitions:
        return schema
    kept: set[str] = set()

    def resolve(part: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [resolve(item, inside) for item in part]
        if not isinstance(part, dict):
            return part
        if isinstance(part.get("$ref"), str):
            name = part["$ref"].rpartition("/")[2]
            if name in definitions and not _is_recursive(name, definitions):
                return resolve(definitions[name], (*inside, name))
            if name in definitions:
                kept.add(name)
                return {**part, "$ref": f"#/$defs/{name}"}
            return part
        return {key: resolve(value, inside) for key, value in part.items()}

    plain = resolve({key: value for key, value in schema.items() if key not in ("$defs", "definitions")}, ())
    done: dict[str, Any] = {}
    while todo := kept - set(done):
        done.update({name: resolve(definitions[name], ()) for name in sorted(todo)})
    return {**plain, "$defs": done} if done else plain


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**(schema.get("definitions") or {}), **(schema.get("$defs") or {})}


def _is_recursive(name: str, definitions: Mapping[str, Any]) -> bool:
    """Whether definition `name` leads back to itself."""
    seen: set[str] = set()
    todo = _references(definitions[name])
    while todo:
        reference = todo.pop()
        if reference == name:
            return True
        if reference not in seen and reference in definitions:
            seen.add(reference)
            todo |= _references(definitions[reference])
    return False


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for item in part for name in _references(item)}
    if not isinstance(part, dict):
        return set()
    found = {name for value in part.values() for name in _references(value)}
    if isinstance(part.get("$ref"), str):
        found.add(part["$ref"].rpartition("/")[2])
    return found


def _signature(func: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(func)
    except ValueError:  # some builtins do not tell what they take
        return inspect.signature(lambda *args, **kwargs: None)


def _hints(func: Callable[..., Any], name: str) -> dict[str, Any]:
    """The type hints of whatever runs when `func` is called."""
    while isinstance(func, functools.partial):
        func = func.func
    if inspect.isclass(func):
        func = func.__init__
    elif not inspect.isroutine(func):
        func = func.__call__  # type: ignore[operator]
    try:
        return get_type_hints(func)
    except NameError as error:
        raise NameError(
            f"Tool {name!r}: {error}, which a type hint names. Define it at the top level of the module of the "
            "function, or give `args` and `arg_types` to dspex.Tool."
        ) from error
    except TypeError:  # what has no hints at all, such as a builtin
        return {}


def _schema_of(annotation: Any, argument: str, tool: str) -> dict[str, Any]:
    try:
        return dict(inlined(pydantic.TypeAdapter(annotation).json_schema()))
    except pydantic.errors.PydanticUserError as error:
        raise UsageError(
            f"Tool {tool!r}: argument {argument!r} has the type {annotation!r}, which cannot be described to an LM "
            f"({str(error).splitlines()[0]}). Use builtin types or pydantic models."
        ) from error


def _json_default(value: Any) -> Any:
    """A default in JSON's types (an enum member as its value), or as it is where that cannot be."""
    if isinstance(value, Decimal):
        return float(value)  # pydantic would make it a text, which is no number
    try:
        return pydantic_core.to_jsonable_python(value)
    except (ValueError, TypeError):
        return value
