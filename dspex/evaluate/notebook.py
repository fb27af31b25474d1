"""Showing things in a notebook, where there is one. IPython is never imported for it: a notebook has done so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def is_in_ipython_notebook_environment() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return "IPKernelApp" in getattr(shell, "config", {})


def display(obj: Any) -> None:
    """Show `obj` as a notebook does, or print it."""
    if "IPython" in sys.modules:
        from IPython.display import display as show  # type: ignore[import-not-found]

        show(obj)
    else:
        print(obj)


def HTML(x: str) -> Any:
    """`x` as something that `display` shows as HTML; outside of IPython, `x` itself."""
    if "IPython" not in sys.modules:
        return x
    from IPython.display import HTML as Html

    return Html(x)


def configure_dataframe_for_ipython_notebook_display(df: pd.DataFrame) -> pd.DataFrame:
    """Widen the columns that notebooks show of any table; returns `df`."""
    import pandas as pd

    pd.options.display.max_colwidth = 70
    return df
