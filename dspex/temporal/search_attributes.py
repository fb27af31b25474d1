"""The search attributes that runs can be found by in the Temporal Web UI.

Few and prefixed: a namespace takes ten keywords and three numbers in all.
"""

from temporalio.common import SearchAttributeKey

OPTIMIZER = SearchAttributeKey.for_keyword("DspexOptimizer")
PROGRAM = SearchAttributeKey.for_keyword("DspexProgram")
BEST_SCORE = SearchAttributeKey.for_float("DspexBestScore")

TYPES = {OPTIMIZER.name: "Keyword", PROGRAM.name: "Keyword", BEST_SCORE.name: "Double"}
"""Name and type of each, as the ``temporal`` command line spells them."""
