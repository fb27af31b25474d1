"""Uses of DSPy's names in expressions. They stay as they are; names that dspex lacks are remarked on."""

from __future__ import annotations

import libcst as cst

from dspex.migrate.name_visitor import LIBRARIES, NameVisitor, dotted, root
from dspex.migrate.names import problem_with

_BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "object"}
"""Functions whose second argument names an attribute of the first; ``object`` is that of `unittest.mock.patch`."""


class UseVisitor(NameVisitor):
    """Looks at ``dspy.x.y`` and ``getattr(dspy, ...)``."""

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if isinstance(self.parent(node), cst.Attribute) or not dotted(node):
            return
        name = self.imported_name(node)
        if name is None:
            return
        if root(name) in LIBRARIES:
            self._check(node, name)
        elif "dspy" in name.split(".")[1:]:
            self.remark(node, f"{name} works on DSPy itself and does not know of dspex")

    def visit_Call(self, node: cst.Call) -> None:
        function = dotted(node.func).rpartition(".")[2]
        if function not in _BY_NAME or len(node.args) < 2:
            return
        module, name = node.args[0].value, node.args[1].value
        imported = self.imported_name(module) if dotted(module) else None
        if imported is None or root(imported) not in LIBRARIES or problem_with(imported):
            return
        if not isinstance(name, cst.SimpleString):
            self.remark(node, "an attribute of dspy by a name that is only known when it runs: not checked")
        elif function != "hasattr" and not (function == "getattr" and len(node.args) == 3):
            self._check(node, f"{imported}.{name.evaluated_value!s}")

    def _check(self, node: cst.CSTNode, name: str) -> None:
        problem = problem_with(name)
        if problem:
            self.remark(node, problem)
