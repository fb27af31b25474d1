"""What a project depends on: requirement strings, requirements files, the metadata of scripts.

The version that a project asked of DSPy says nothing about dspex, so it is dropped; extras that dspex has, and markers,
are kept.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from dspex.migrate.rewritten import Edit, Remark, Rewritten

_REQUIREMENT = re.compile(
    r"dspy(?:[-_]ai)?\s*(?P<extras>\[[\w\s,.-]*\])?"
    r"\s*(?:\(?(?:[=<>~!]=?=?\s*[\w.*+!-]+\s*,?\s*)+\)?|@[^;]+)?\s*(?P<marker>;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_SOURCE = re.compile(r"\bdspy(?:\.git)?\b|egg=dspy", re.IGNORECASE)
_SCRIPT = re.compile(r"(?m)^# /// script[ \t]*\r?\n(?:^#.*\r?\n)*?^# ///[ \t]*$")
_LITERAL = re.compile(r"""(?P<quote>["'])(?P<value>dspy[^"'\n]*)(?P=quote)""", re.IGNORECASE)
_INSTALL = re.compile(
    r"\b(pip|pip3|uv|poetry|pdm|conda|mamba|pipx)\b.*?\s(?P<package>[\"']?dspy(?:-ai)?(?![\w./-])\S*)"
)


def new_requirement(requirement: str) -> str | None:
    """The requirement on dspex that takes the place of one on DSPy; None if it is none."""
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if found is None:
        return None
    extras = ",".join(sorted(_extras(found) & offered_extras()))
    return f"dspex{f'[{extras}]' if extras else ''}{found['marker'] or ''}"


def lost_extras(requirement: str) -> list[str]:
    """The extras of a requirement on DSPy that dspex does not offer."""
    found = _REQUIREMENT.fullmatch(requirement.strip())
    return sorted(_extras(found) - offered_extras()) if found else []


@cache
def offered_extras() -> frozenset[str]:
    """The extras of the dspex that is installed."""
    try:
        return frozenset(metadata("dspex").get_all("Provides-Extra") or ())
    except PackageNotFoundError:
        return frozenset()


def rewrite_requirements(text: str) -> Rewritten:
    """Rewrite a requirements file, the lists of a ``setup.cfg`` or those of an ``environment.yml``."""
    out = Rewritten("")
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        out.text += _line(line, number, out)
    return out


def rewrite_script_metadata(source: str) -> _ScriptEdits:
    """The edits to the dependencies in a script's ``# /// script`` block (PEP 723)."""
    edits = _ScriptEdits()
    for block in _SCRIPT.finditer(source):
        for found in _LITERAL.finditer(source, *block.span()):
            new = new_requirement(found["value"])
            if new is not None:
                edits.edits.append(Edit(*found.span("value"), new))
                line = source.count("\n", 0, found.start()) + 1
                edits.remarks += [Remark(line, message) for message in remarks_on_extras(found["value"])]
    return edits


def installs_dspy(line: str) -> re.Match[str] | None:
    """The place in a shell command where it installs DSPy, as the group ``package``."""
    return _INSTALL.search(line)


def look_at_script(text: str) -> Rewritten:
    """Say where a shell script, a Dockerfile or the like installs DSPy. It is left as it is."""
    lines = enumerate(text.splitlines(), 1)
    remarks = [
        Remark(number, "installs dspy: write dspex in its place") for number, line in lines if installs_dspy(line)
    ]
    return Rewritten(text, remarks=remarks)


def remarks_on_extras(requirement: str) -> list[str]:
    """Remarks on the extras of a requirement that dspex does not have."""
    lost = lost_extras(requirement)
    return [f"dspex has no extra {', '.join(lost)}: left out"] if lost else []


class _ScriptEdits:
    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.remarks: list[Remark] = []


def _line(line: str, number: int, out: Rewritten) -> str:
    found = re.fullmatch(r"(\s*(?:-\s+)?[\"']?)(.*?)([\"']?(?:\s+#.*)?\s*)", line, re.DOTALL)
    lead, requirement, rest = found.groups() if found else ("", line, "")
    new = new_requirement(requirement) if requirement else None
    if new is not None:
        out.changes += 1
        out.remarks += [Remark(number, message) for message in remarks_on_extras(requirement)]
        return f"{lead}{new}{rest}"
    if requirement.startswith("#"):
        return line
    if re.match(r"dspy(?:[-_]ai)?(?![\w.-])", requirement, re.IGNORECASE) or (
        "://" in requirement and _SOURCE.search(requirement)
    ):
        out.remarks.append(Remark(number, "this requirement on DSPy is not understood: write dspex in its place"))
    return line


def _extras(found: re.Match[str]) -> set[str]:
    return {extra.strip().lower() for extra in (found["extras"] or "[]")[1:-1].split(",") if extra.strip()}
