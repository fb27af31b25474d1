"""Code out of an LM's Markdown."""

from __future__ import annotations

_PYTHON = {"python", "py", "python3", "py3", ""}


def strip_code_fences(code: str) -> str:
    """Return the first fenced block of `code`, or all of it when there is none.

    Raises:
        SyntaxError: the block says that it is in another language.
    """
    code = _without_outer_fences(code.strip())
    _, fence, fenced = code.partition("```")
    language, line_break, block = fenced.partition("\n")
    if not fence or not line_break:
        return code
    words = language.split()
    named = words[0].lower() if words else ""
    if named not in _PYTHON:
        raise SyntaxError(f"Expected Python code but got ```{named} fence. Write Python code, not {named}.")
    return block.partition("```")[0].strip()


def _without_outer_fences(code: str) -> str:
    """`code` without the bare fences around a fenced block."""
    lines = code.splitlines()
    if "```" not in code:
        return code
    while len(lines) >= 2 and lines[0].strip() == lines[-1].strip() == "```":
        lines = lines[1:-1]
    return "\n".join(lines).strip()
