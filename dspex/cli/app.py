"""The commands, put together."""

from __future__ import annotations

import typer

from dspex.cli.dev.command import dev
from dspex.cli.doctor.command import doctor
from dspex.cli.evaluate.command import evaluate
from dspex.cli.ledger.command import ledger
from dspex.cli.migrate.command import migrate
from dspex.cli.optimize.command import optimize
from dspex.cli.practice_lm import practice_lm
from dspex.cli.runs.command import runs
from dspex.cli.worker.command import worker

app = typer.Typer(
    name="dspex",
    help="Programs of language models, and optimization runs that cannot be lost.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: a quarter of a second sooner
    pretty_exceptions_enable=False,
)
for command in (dev, worker, optimize, evaluate):
    app.command()(command)
app.add_typer(runs, name="runs")
app.add_typer(ledger, name="ledger")
app.command("practice-lm")(practice_lm)
app.command()(doctor)
app.command()(migrate)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("dspex"))
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    pass
