"""Strings in code that name DSPy: targets of patches, modules imported by name, requirements."""

from __future__ import annotations

import re

import libcst as cst

from dspex.migrate.name_visitor import NameVisitor, dotted
from dspex.migrate.names import has_exactly, problem_with
from dspex.migrate.requirements import new_requirement

_REFERENCE = re.compile(r"dspy(\.[A-Za-z_]\w*)*")
_MENTION = re.compile(r"\bdspy(?:\.[A-Za-z_]\w*)+")
_IMPORT_IN_TEXT = re.compile(r"^\s*(import dspy\b|from dspy[\w.]* import\b)", re.MULTILINE)

_MODULE_NAMES = {"import_module", "__import__", "find_spec", "importorskip", "resolve_name", "reload", "run_module"}
_PLAIN_NAMES = {"getLogger", "version", "distribution", "metadata", "requires"}
_TARGETS = {"patch", "multiple", "setattr", "delattr"}
_MODULES = "sys.modules"
_TYPES = {"cast", "TypeVar", "NewType"}


class StringVisitor(NameVisitor):
    """Rewrites strings that are surely references to DSPy, and says which ones may be."""

    def __init__(self) -> None:
        super().__init__()
        self._in_annotation = 0

    def visit_Annotation(self, node: cst.Annotation) -> None:
        self._in_annotation += 1

    def leave_Annotation(self, original_node: cst.Annotation) -> None:
        self._in_annotation -= 1

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        value = node.evaluated_value
        if not isinstance(value, str) or "dspy" not in value or isinstance(self.parent(node), cst.Expr):
            return
        if self._in_annotation:
            self._look_at_types(node, value)
        elif _REFERENCE.fullmatch(value):
            self._reference(node, value)
        elif new_requirement(value) is not None and (re.search(r"[=<>~]", value) or self._is_required(node)):
            self._rewrite(node, value, new_requirement(value) or "")
        elif value == "dspy." and isinstance(self.parent(node), cst.BinaryOperation):
            self.remark(node, "a name of DSPy's that is put together when it runs: write dspex. instead, and check it")
        elif _IMPORT_IN_TEXT.search(value):
            self.remark(node, "text that holds code importing dspy: not rewritten")
        elif "->" in value:
            self._look_at_types(node, value)

    def visit_FormattedStringText(self, node: cst.FormattedStringText) -> None:
        if _IMPORT_IN_TEXT.search(node.value):
            self.remark(node, "text that holds code importing dspy: not rewritten")
        elif node.value == "dspy.":
            self.remark(node, "a name of DSPy's that is put together when it runs: write dspex. instead, and check it")

    def _reference(self, node: cst.SimpleString, value: str) -> None:
        context = self._context(node)
        if context in _TYPES or context == "[]":
            self._look_at_types(node, value)
        elif context in _MODULE_NAMES | _PLAIN_NAMES | _TARGETS or context == _MODULES:
            self._rewrite(node, value, value.replace("dspy", "dspex", 1))
            problem = problem_with(value) if context in _MODULE_NAMES | _TARGETS else None
            if problem is None and context in _TARGETS and not has_exactly(value):
                problem = f"dspex has no {value.partition('.')[2]} to patch"
            if problem:
                self.remark(node, problem)
        elif self._is_required(node):
            self._rewrite(node, value, "dspex")
        elif "." in value:
            self.remark(node, f"{value!r} is left as it is: if it is imported by this name, write dspex")

    def _context(self, node: cst.SimpleString) -> str:
        """What the string is given to: the last name of the function whose first argument it is, or a marker."""
        parent = self.parent(node)
        if isinstance(parent, cst.Arg):
            call = self.parent(parent)
            name = dotted(call.func).rpartition(".")[2] if isinstance(call, cst.Call) else ""
            return name if isinstance(call, cst.Call) and (parent is call.args[0] or name in _TYPES) else ""
        if isinstance(parent, cst.DictElement):
            call = self.parent(self.parent(self.parent(parent)))  # the one that the dictionary is given to
            return _MODULES if isinstance(call, cst.Call) and dotted(call.func).endswith("patch.dict") else ""
        if isinstance(parent, cst.Comparison):
            return _MODULES if any(dotted(each.comparator) == _MODULES for each in parent.comparisons) else ""
        while isinstance(parent, cst.Index | cst.SubscriptElement | cst.BinaryOperation):
            parent = self.parent(parent)
        if isinstance(parent, cst.Subscript):
            return _MODULES if dotted(parent.value) == _MODULES else "[]"
        return ""

    def _is_required(self, node: cst.CSTNode) -> bool:
        """Whether the string stands in what a package requires: ``install_requires=[...]`` and the like."""
        parent = self.parent(node)
        while isinstance(parent, cst.Element | cst.List | cst.Tuple | cst.Dict | cst.DictElement):
            parent = self.parent(parent)
        if isinstance(parent, cst.Arg):
            return "require" in dotted(parent.keyword)
        if isinstance(parent, cst.Assign):
            return any("require" in dotted(each.target).lower() for each in parent.targets)
        return False

    def _rewrite(self, node: cst.SimpleString, value: str, new: str) -> None:
        if value in node.value:
            self.replace(node, node.value.replace(value, new, 1))
        else:
            self.remark(node, f"{value!r} is written with escapes and left as it is")

    def _look_at_types(self, node: cst.SimpleString, value: str) -> None:
        for name in _MENTION.findall(value):
            problem = problem_with(name)
            if problem:
                self.remark(node, problem)
