"""Notebooks: their code cells, in place. All else in the file stays as it is, to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dspex.migrate.json_strings import JsonString, as_written, strings_of
from dspex.migrate.python import imports_in, rewrite_python
from dspex.migrate.requirements import installs_dspy, look_at_script, new_requirement
from dspex.migrate.rewritten import Edit, Remark, Rewritten, UnreadableError, apply

_MAGIC = re.compile(r"(?P<lead>\s*)(?:%{1,2}[A-Za-z]|[!?]|\w[\w.]*\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%python")
_MASK = "pass  # dspex: line {}"


@dataclass
class Cell:
    """A code cell: its lines as the file holds them."""

    number: int
    lines: list[JsonString] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The text of the cell."""
        return "".join(line.value for line in self.lines)


def rewrite_notebook(text: str) -> Rewritten:
    """Rewrite the code cells of a notebook. A cell knows the imports of the cells before it.

    Raises:
        UnreadableError: it is no notebook.
    """
    out, edits, prelude = Rewritten(text), list[Edit](), list[str]()
    for cell in _code_cells(text):
        if re.match(r"\s*%%", cell.source) and not cell.source.lstrip().startswith(_PYTHON_CELLS):
            out.remarks += [_remark(cell, remark) for remark in look_at_script(cell.source).remarks]
            continue
        try:
            source, magics = _python_of(cell.source)
            done = rewrite_python(source, prelude)
            prelude += imports_in(source)
        except UnreadableError as error:
            if re.search(r"\b(dspy|dspex)\b", cell.source):
                out.remarks.append(_remark(cell, Remark(error.line, f"{error}: cell skipped")))
            continue
        out.changes += done.changes
        out.remarks += [_remark(cell, remark) for remark in done.remarks]
        new = _unmasked(done.text, magics, out)
        if new != cell.source:
            edits.append(_edit(text, cell, new))
    out.text = apply(text, edits)
    return out


def _code_cells(text: str) -> Iterator[Cell]:
    try:
        document = json.loads(text)
        kinds = [cell.get("cell_type") for cell in document["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableError("not a notebook of format 4") from None
    cells = {number: Cell(number + 1) for number, kind in enumerate(kinds) if kind == "code"}
    for string in strings_of(text):
        match string.path:
            case ("cells", int(number), "source") | ("cells", int(number), "source", int()) if number in cells:
                cells[number].lines.append(string)
    yield from cells.values()


def _python_of(source: str) -> tuple[str, list[str]]:
    """The source as Python: lines that only a notebook understands are replaced, and given beside it."""
    try:
        imports_in(source)
    except UnreadableError:
        return _masked(source)
    return source, []


def _masked(source: str) -> tuple[str, list[str]]:
    magics, lines, inside = list[str](), [], False
    for line in source.splitlines(keepends=True):
        found = _MAGIC.match(line)
        if not inside and found is None:
            lines.append(line)
            continue
        body = line.rstrip("\r\n")
        lead = found["lead"] if found and not inside else ""
        lines.append(f"{lead}{_MASK.format(len(magics))}{line[len(body) :]}")
        magics.append(body)
        inside = body.endswith("\\")
    return "".join(lines), magics


def _unmasked(source: str, magics: list[str], out: Rewritten) -> str:
    for number, magic in enumerate(magics):
        line = re.compile(rf"(?m)^[ \t]*{re.escape(_MASK.format(number))}$")
        source = line.sub(_magic(magic, out).replace("\\", r"\\"), source)
    return source


def _magic(line: str, out: Rewritten) -> str:
    """A line such as ``%pip install dspy``, for dspex."""
    found = installs_dspy(line)
    if found is None:
        return line
    package = found["package"].strip("\"'")
    new = new_requirement(package)
    if new is None:
        return line
    out.changes += 1
    return line.replace(package, new, 1)


def _edit(text: str, cell: Cell, new: str) -> Edit:
    """The new source in the cell's place: the lines from the first to the last that changed."""
    first, last = cell.lines[0], cell.lines[-1]
    if len(first.path) == 3:  # the source is one string, not a list of lines
        return Edit(first.start, first.end, as_written([new], first, text))
    old_lines, new_lines = [line.value for line in cell.lines], new.splitlines(keepends=True)
    most = min(len(old_lines), len(new_lines)) - 1
    start = next((place for place in range(most) if old_lines[place] != new_lines[place]), most)
    most -= start
    same = next((place for place in range(most) if old_lines[-1 - place] != new_lines[-1 - place]), most)
    first, last = cell.lines[start], cell.lines[len(old_lines) - same - 1]
    return Edit(first.start, last.end, as_written(new_lines[start : len(new_lines) - same], first, text))


def _remark(cell: Cell, remark: Remark) -> Remark:
    string = cell.lines[min(remark.line, len(cell.lines)) - 1]
    return Remark(string.line, f"cell {cell.number}: {remark.message}")
