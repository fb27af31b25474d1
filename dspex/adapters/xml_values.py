"""Values of lists, dicts and models as XML elements: written, described by their form, and read back.

An item of a list is an ``<item>``; a key that cannot name an element is an ``<entry key="...">``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring
from xml.sax.saxutils import quoteattr

Schema = Mapping[str, Any]


def escaped(text: str) -> str:
    """`text` without what would begin an element or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def written(value: Any, tag: str, key: str | None = None) -> str:
    """Write a value as an XML element: dictionaries as elements inside it, lists as ``<item>`` elements.

    Args:
        value: The value, of JSON's types.
        tag: The element's name.
        key: The dictionary key that stands in an attribute, because it cannot be the name of an element.
    """
    opening = tag if key is None else f"{tag} key={quoteattr(key)}"
    if isinstance(value, dict):
        return f"<{opening}>{''.join(_member(str(name), child) for name, child in value.items())}</{tag}>"
    inner = "".join(written(item, "item") for item in value) if isinstance(value, list) else None
    if value is None or inner == "":
        return f"<{opening} />"
    return f"<{opening}>{escaped(str(value)) if inner is None else inner}</{tag}>"


def _member(name: str, value: Any) -> str:
    return written(value, name) if _can_be_a_tag(name) else written(value, "entry", name)


def _can_be_a_tag(name: str) -> bool:
    if not (name[:1] + name[1:].replace("-", "_").replace(".", "_")).isidentifier():
        return False
    if name.isascii():
        return True
    try:  # which letters XML takes, its parser knows
        fromstring(f"<{name}/>")
    except ParseError:
        return False
    return True


def skeleton(tag: str, schema: Schema) -> str:
    """Show the form of a value of a type, with dots where text belongs.

    Args:
        tag: The name of the outermost element.
        schema: The JSON schema of the type.
    """
    return _skeleton(tag, schema, schema.get("$defs", {}), frozenset())


def _skeleton(tag: str, schema: Schema, definitions: Mapping[str, Schema], around: frozenset[str]) -> str:
    if "$ref" in schema:
        name = _name(schema["$ref"])
        if name in around:
            return f"<{tag}>...</{tag}>"
        return _skeleton(tag, definitions[name], definitions, around | {name})
    if choices := schema.get("anyOf"):
        choice = next((choice for choice in choices if choice.get("type") != "null"), choices[0])
        return _skeleton(tag, choice, definitions, around)
    members = schema.get("properties", {})
    if schema.get("type") == "array":
        members = {"item": schema.get("items", {})}
    inner = "".join(_skeleton(name, member, definitions, around) for name, member in members.items())
    return f"<{tag}>{inner or '...'}</{tag}>"


def read_elements(elements: Sequence[Element], schema: Schema, definitions: Mapping[str, Schema]) -> Any:
    """Read a value from elements of one name, as far as the schema tells; text stays text, to be parsed by its type.

    Args:
        elements: The elements of that name, one or more.
        schema: The JSON schema of the value.
        definitions: The schema's ``$defs``, for its references.
    """
    schema = definitions.get(_name(schema.get("$ref", "")), schema)
    first = elements[0]
    if choices := schema.get("anyOf"):
        if {"type": "null"} in choices and _is_empty(first):
            return None
        schema = _choice(first, choices)
    if schema.get("type") == "array":
        return _read_items(elements, schema.get("items", {}), definitions)
    if schema.get("type") == "string" and len(first):
        return (first.text or "") + "".join(tostring(child, encoding="unicode") for child in first)
    if not len(first):
        if schema.get("type") == "object" and _is_empty(first):
            return {}
        texts = [_text(element) for element in elements]
        return texts[0] if len(texts) == 1 else texts
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    others = others if isinstance(others, dict) else {}
    children = grouped(first).items()
    return {name: read_elements(found, known.get(name, others), definitions) for name, found in children}


def grouped(element: Element) -> dict[str, list[Element]]:
    """Group the children of an element by name."""
    children: dict[str, list[Element]] = {}
    for child in element:
        name = child.attrib.get("key", child.tag) if child.tag == "entry" else child.tag
        children.setdefault(name, []).append(child)
    return children


def _read_items(elements: Sequence[Element], item: Schema, definitions: Mapping[str, Schema]) -> Any:
    """A list: of the items in one element, of elements of its name, or as JSON in the text of one."""
    if len(elements) == 1:
        text = _text(elements[0])
        if not len(elements[0]) and (not text or text.startswith("[")):
            return text or []
        elements = grouped(elements[0]).get("item") or elements
    return [read_elements([element], item, definitions) for element in elements]


def _choice(element: Element, choices: Sequence[Schema]) -> Schema:
    """The choice of a union that an element looks like: the first, or with children the first that is not text."""
    some = [choice for choice in choices if choice.get("type") != "null"]
    if len(element):
        return next((choice for choice in some if choice.get("type") != "string"), some[0])
    return some[0]


def _is_empty(element: Element) -> bool:
    return not len(element) and not _text(element)


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
