"""The types of `lm15` under DSPy's import path: ``from dspex.lm15 import Request, Message``.

A custom engine (``LM(..., engine=...)``) takes and returns them. They come from the package ``lm15`` on PyPI
(DSPy carries a copy of it); without it this module cannot be imported.
"""

from __future__ import annotations

try:
    from lm15 import *  # noqa: F403
    from lm15 import __all__ as __all__
except ImportError as error:
    raise ImportError(
        "dspex.lm15 needs the package lm15. Install it with: pip install 'dspex[lm15]' (or: pip install lm15)"
    ) from error
