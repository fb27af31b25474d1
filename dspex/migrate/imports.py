"""Import statements."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import ScopeProvider

from dspex.migrate.name_visitor import LIBRARIES, NameVisitor, dotted, root
from dspex.migrate.names import problem_with


class ImportVisitor(NameVisitor):
    """Rewrites import statements, and says which names they ask for that dspex does not have."""

    code: str

    def __init__(self) -> None:
        super().__init__()
        self._bound: set[object] = set()
        """The scopes in which a statement seen already binds the name ``dspy``."""

    def visit_Import(self, node: cst.Import) -> bool:
        for alias in node.names:
            self._import(node, alias)
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        self._import_from(node, dotted(node.module))
        return False

    def _import_from(self, node: cst.ImportFrom, module: str) -> None:
        if node.relative or not module:
            return
        if root(module) not in LIBRARIES:
            self._look_at_foreign(node, module)
            return
        if root(module) == "dspy":
            assert node.module is not None
            self.replace(_root_of(node.module), "dspex")
        if isinstance(node.names, cst.ImportStar):
            if root(module) == "dspy":
                self.remark(node, "star import: what dspex lacks is missed only when it is used; import by name")
            return
        for alias in node.names:
            problem = problem_with(f"{module}.{dotted(alias.name)}")
            if problem:
                self.remark(alias, problem)

    def _import(self, node: cst.Import, alias: cst.ImportAlias) -> None:
        name = dotted(alias.name)
        if root(name) not in LIBRARIES:
            self._look_at_foreign(node, name)
            return
        problem = problem_with(name)
        if problem:
            self.remark(alias, problem)
        if root(name) != "dspy":
            return
        if alias.asname is not None:
            self.replace(_root_of(alias.name), "dspex")
        else:
            self.replace(alias.name, self._binding(node, name))
        if alias.asname is None and self._is_unconditional(node):
            self._bound.add(self.get_metadata(ScopeProvider, node, None))

    def _binding(self, node: cst.Import, name: str) -> str:
        """What to import so that ``dspy`` is bound, as it is by ``import dspy.x``, and the submodule is loaded.

        The rooms right under dspex load when they are first used, those below them when they are imported.
        """
        module = name.replace("dspy", "dspex", 1)
        if name == "dspy":
            return "dspex as dspy"
        if self.get_metadata(ScopeProvider, node, None) in self._bound:
            return module
        if name.count(".") == 1:
            return "dspex as dspy"
        return f"dspex as dspy{self._next_import(node)}{module}"

    def _next_import(self, node: cst.Import) -> str:
        """What parts two imports: a line of its own where the statement has one, else a comma."""
        line = self.parent(node)
        if len(node.names) > 1 or not isinstance(line, cst.SimpleStatementLine) or len(line.body) > 1:
            return ", "
        start = self.span(node)[0]
        line_start = max(self.code.rfind(end, 0, start) for end in "\r\n") + 1
        newline = "\r\n" if "\r\n" in self.code else "\n"
        return f"{newline}{self.code[line_start:start]}import "

    def _is_unconditional(self, node: cst.Import) -> bool:
        line = self.parent(node)
        block = self.parent(line) if isinstance(line, cst.SimpleStatementLine) else None
        outer = self.parent(block) if isinstance(block, cst.IndentedBlock) else None
        return isinstance(block, cst.Module) or isinstance(outer, cst.FunctionDef)

    def _look_at_foreign(self, node: cst.CSTNode, module: str) -> None:
        if "dspy" in module.split("."):
            self.remark(node, f"{module} works on DSPy itself and does not know of dspex")


def _root_of(node: cst.BaseExpression) -> cst.BaseExpression:
    while isinstance(node, cst.Attribute):
        node = node.value
    return node
