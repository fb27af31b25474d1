"""``pyproject.toml`` and ``Pipfile``: requirements in lists, and the tables of poetry and pipenv. All else stays."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from dspex.migrate.requirements import new_requirement, remarks_on_extras
from dspex.migrate.rewritten import Remark, Rewritten, UnreadableError

_LISTS = re.compile(r"depend|require|extras|groups|optional", re.IGNORECASE)
_SECTION = re.compile(r"\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_TABLES = re.compile(r"(^|\.)(dev-)?(dependencies|packages)$|^(dev-)?packages$")
_ENTRY = re.compile(r"(?P<lead>\s*)(?P<quote>[\"']?)dspy(?:-ai)?(?P=quote)(?P<is>\s*=\s*)(?P<value>.*)", re.DOTALL)
_NAMED = re.compile(r"""["']dspy(\.\*)?["']|^\s*\[.*\bdspy(-ai)?\]""")
_VERSION = re.compile(r"""(version\s*=\s*)(["'])[^"']*\2""")


def rewrite_project(text: str) -> Rewritten:
    """Rewrite the dependencies of a project.

    Raises:
        UnreadableError: it is not TOML.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise UnreadableError(f"not valid TOML: {error}", int(place[1]) if place else 1) from None
    required = {value for value in _required(document, "") if new_requirement(value) is not None}
    out, section = Rewritten(""), ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        header = _SECTION.match(line)
        section = header["name"] if header else section
        out.text += _line(line, number, section, required, out)
    return out


def _required(value: Any, path: str) -> Iterator[str]:
    """The strings of all lists whose keys speak of requirements."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _required(inner, f"{path}.{key}")
    elif isinstance(value, list) and _LISTS.search(path):
        yield from (each for each in value if isinstance(each, str))


def _line(line: str, number: int, section: str, required: set[str], out: Rewritten) -> str:
    entry = _ENTRY.fullmatch(line)
    if entry and _TABLES.search(section):
        return _table_entry(entry, number, line, out)
    new = line
    for value in required:
        for quote in "\"'":
            literal, wanted = f"{quote}{value}{quote}", f"{quote}{new_requirement(value)}{quote}"
            if literal in new and not line.lstrip().startswith("#"):
                new = new.replace(literal, wanted)
                out.changes += 1
                out.remarks += [Remark(number, message) for message in remarks_on_extras(value)]
    if new == line and line.strip() and not line.lstrip().startswith("#") and (entry or _NAMED.search(line)):
        out.remarks.append(Remark(number, f"names dspy, and is left as it is: {line.strip()}"))
    return new


def _table_entry(entry: re.Match[str], number: int, line: str, out: Rewritten) -> str:
    value = entry["value"]
    if re.match(r"""["']""", value):
        value = re.sub(r"""^(["'])[^"']*\1""", '"*"', value)
    elif value.startswith("{") and not re.search(r"\b(git|path|url)\s*=", value):
        value = _VERSION.sub(r'\1"*"', value)
    else:
        out.remarks.append(Remark(number, f"names dspy, and is left as it is: {line.strip()}"))
        return line
    out.changes += 1
    return f"{entry['lead']}{entry['quote']}dspex{entry['quote']}{entry['is']}{value}"
