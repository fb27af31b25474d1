"""The options that several commands share: one name, one meaning, one help text.

In the order of their groups: the program, its language model, its budget, the run, and where runs are kept and done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# The program: what is run, scored and optimized.
Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help='A signature ("question -> answer"), package.module:attribute, or a saved program (a .json file).',
    ),
]
ModuleName = Annotated[
    str | None,
    typer.Option(
        "--module", metavar="NAME", help="The module for a signature: Predict (the default) or ChainOfThought."
    ),
]
Instructions = Annotated[
    str | None, typer.Option("--instructions", metavar="TEXT", help="Instructions for a signature given as text.")
]
Inputs = Annotated[
    str | None,
    typer.Option("--inputs", metavar="A,B", help="Columns that the program is given. Default: its input fields."),
]
Metric = Annotated[
    str | None,
    typer.Option(metavar="REF", help="exact_match, contains, f1, or package.module:function."),
]
Import = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="MODULE", help="A module whose code runs may name. May be given several times."),
]

# The language model that the program calls.
LMName = Annotated[
    str | None, typer.Option("--lm", metavar="MODEL", help="The language model: openai/gpt-4o-mini, say.")
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", metavar="URL", help="URL of a server that speaks OpenAI's format, up to and with /v1."),
]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option("--api-key-env", metavar="NAME", help="The environment variable that holds the key, on every host."),
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="The most tokens of an answer.")]
Temperature = Annotated[float | None, typer.Option("--temperature", min=0.0, help="Sampling temperature.")]
Price = Annotated[
    str | None,
    typer.Option(
        "--price",
        metavar="PRICE",
        help="The model's price in US dollars per million tokens: input=0.15,output=0.60[,cached_input=0.075]"
        "[,cache_write=...]. Default: its published price.",
    ),
]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, help="Examples, and LM calls, in flight at once.")]

# The budget: what a run may spend at most, in each of three measures.
BudgetUsd = Annotated[
    float | None, typer.Option("--budget-usd", min=0.0, metavar="USD", help="The most that the run may cost.")
]
BudgetTokens = Annotated[
    int | None, typer.Option("--budget-tokens", min=0, metavar="N", help="The most tokens that the run may use.")
]
BudgetCalls = Annotated[
    int | None, typer.Option("--budget-calls", min=0, metavar="N", help="The most LM calls that the run may pay for.")
]

# The run: its name, and what becomes of its result.
RunId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The run's name. The same name again attaches to the same run.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write the optimized program.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]

# The deployment: where runs are kept and done.
StoreUrl = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="The store: a file or a database URL (DSPEX_STORE).")
]
Temporal = Annotated[
    str | None,
    typer.Option("--temporal", metavar="ADDRESS", help="The Temporal server (TEMPORAL_ADDRESS, else localhost:7233)."),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", metavar="NAME", help="Temporal's namespace (TEMPORAL_NAMESPACE).")
]
TaskQueue = Annotated[
    str | None, typer.Option("--task-queue", metavar="NAME", help="The workers' queue (DSPEX_TASK_QUEUE, else dspex).")
]
