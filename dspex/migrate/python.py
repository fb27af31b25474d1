"""Python code: imports of DSPy become imports of dspex, under the names that the code already uses.

``import dspy`` becomes ``import dspex as dspy``, so that everything below it stays as it is, comments and all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider, ScopeProvider

from dspex.migrate.imports import ImportVisitor
from dspex.migrate.requirements import rewrite_script_metadata
from dspex.migrate.rewritten import Edit, Remark, Rewritten, UnreadableError, apply
from dspex.migrate.strings import StringVisitor
from dspex.migrate.uses import UseVisitor

_NEWLINE = re.compile(r"\r\n?|\n")


def rewrite_python(source: str, prelude: Sequence[str] = ()) -> Rewritten:
    """Rewrite one module, or one cell of a notebook, from DSPy to dspex.

    Args:
        source: The Python source.
        prelude: Import lines of earlier cells, which say what names mean; they are not part of the result.

    Returns:
        The new source, the number of changes, and remarks for a person.

    Raises:
        UnreadableError: it is not Python.
    """
    before = "".join(f"{line}\n" for line in prelude)
    visitor = _visited(before + source)
    edits = [Edit(start - len(before), end - len(before), text) for start, end, text in visitor.edits]
    edits = [edit for edit in edits if edit.start >= 0]
    remarks = {Remark(line - len(prelude), message) for line, message in visitor.remarks if line > len(prelude)}
    metadata = rewrite_script_metadata(source)
    text = apply(source, [*edits, *metadata.edits])
    return Rewritten(text, len(edits) + len(metadata.edits), sorted({*remarks, *metadata.remarks}))


def imports_in(source: str) -> list[str]:
    """The statements of a cell that import DSPy or dspex at its top level, each on one line.

    Raises:
        UnreadableError: it is not Python.
    """
    module = _parsed(source)
    statements = (small for line in module.body if isinstance(line, cst.SimpleStatementLine) for small in line.body)
    imports = (each for each in statements if isinstance(each, cst.Import | cst.ImportFrom))
    codes = (re.sub(r"\s+", " ", re.sub(r"#.*", "", module.code_for_node(each))).strip("; ") for each in imports)
    return [code for code in codes if re.search(r"\b(dspy|dspex)\b", code)]


class _MigrationVisitor(ImportVisitor, StringVisitor, UseVisitor):
    """Walks through a module once and collects what to change and what to say."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider, ScopeProvider)

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code
        self.line_starts = [0, *(found.end() for found in _NEWLINE.finditer(code))]
        self.edits: list[Edit] = []
        self.remarks: list[Remark] = []

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        where = self.get_metadata(PositionProvider, node)
        return tuple(self.line_starts[at.line - 1] + at.column for at in (where.start, where.end))  # type: ignore[return-value]

    def replace(self, node: cst.CSTNode, text: str) -> None:
        self.edits.append(Edit(*self.span(node), text))

    def remark(self, node: cst.CSTNode, message: str) -> None:
        self.remarks.append(Remark(self.get_metadata(PositionProvider, node).start.line, message))


def _visited(code: str) -> _MigrationVisitor:
    visitor = _MigrationVisitor(code)
    MetadataWrapper(_parsed(code), unsafe_skip_copy=True).visit(visitor)
    return visitor


def _parsed(code: str) -> cst.Module:
    try:
        module = cst.parse_module(code)
    except cst.ParserSyntaxError as error:
        raise UnreadableError("not valid Python", error.raw_line) from None
    except RecursionError:
        raise UnreadableError("nested too deeply to be read") from None
    if module.code != code:
        raise UnreadableError("libcst does not give this file back as it was")
    return module
