"""DSPy's ``dspy.dsp.utils``: the settings, and small functions of old."""

from dspex.dsp.utils import settings
from dspex.dsp.utils.dpr import DPR_normalize, has_answer, strip_accents
from dspex.dsp.utils.utils import (
    NullContextManager,
    batch,
    create_directory,
    deduplicate,
    dotdict,
    dotdict_lax,
    flatten,
    groupby_first_item,
    grouper,
    int_or_float,
    lengths2offsets,
    print_message,
    process_grouped_by_first_item,
    timestamp,
    zip_first,
    zipstar,
)

__all__ = [
    "DPR_normalize",
    "NullContextManager",
    "batch",
    "create_directory",
    "deduplicate",
    "dotdict",
    "dotdict_lax",
    "flatten",
    "groupby_first_item",
    "grouper",
    "has_answer",
    "int_or_float",
    "lengths2offsets",
    "print_message",
    "process_grouped_by_first_item",
    "settings",
    "strip_accents",
    "timestamp",
    "zip_first",
    "zipstar",
]
