"""The base of the visitors that migrate a module: what a name in the code was imported as."""

from __future__ import annotations

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import ParentNodeProvider, QualifiedNameSource, ScopeProvider

LIBRARIES = ("dspy", "dspex")


class NameVisitor(cst.CSTVisitor):
    """Finds out what a node stands for; subclasses provide `replace`, `remark` and `span`."""

    def replace(self, node: cst.CSTNode, text: str) -> None:
        """Write text in the place of a node.

        Args:
            node: The node of the syntax tree.
            text: The new source.
        """
        raise NotImplementedError

    def remark(self, node: cst.CSTNode, message: str) -> None:
        """Leave a note about a node, for a person to act on.

        Args:
            node: The node of the syntax tree.
            message: The note.
        """
        raise NotImplementedError

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Where `node` starts and ends, in characters from the start of the code."""
        raise NotImplementedError

    def parent(self, node: cst.CSTNode | None) -> cst.CSTNode | None:
        """The node around `node`."""
        return None if node is None else self.get_metadata(ParentNodeProvider, node, None)

    def imported_name(self, node: cst.CSTNode) -> str | None:
        """The dotted name of what `node` was imported as: ``dspy.LM`` for ``d.LM`` after ``import dspy as d``."""
        scope = self.get_metadata(ScopeProvider, node, None)
        if scope is None:
            return None
        names = scope.get_qualified_names_for(node)
        return next((each.name for each in sorted(names, key=lambda each: each.name)
                     if each.source is QualifiedNameSource.IMPORT), None)  # fmt: skip


def dotted(node: cst.CSTNode | None) -> str:
    """``a.b.c`` as text; empty for anything else."""
    return (get_full_name_for_node(node) or "") if node is not None else ""


def root(name: str) -> str:
    """``a`` of ``a.b.c``."""
    return name.partition(".")[0]
