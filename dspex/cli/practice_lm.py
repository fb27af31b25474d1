"""The command ``dspex practice-lm``: an offline stand-in for a language model. The one place that knows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def practice_lm(
    port: Annotated[int, typer.Option(help="0 takes any free port.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(metavar="SECONDS", help="Pause before every answer.")] = 0.0,
    jitter: Annotated[float, typer.Option(metavar="SECONDS", help="Random addition to it, at most.")] = 0.0,
    error_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of attempts refused with 429, 500 or 503.")
    ] = 0.0,
    rpm: Annotated[int | None, typer.Option(metavar="N", help="Requests a minute; the rest get 429.")] = None,
    tpm: Annotated[int | None, typer.Option(metavar="N", help="Tokens a minute; the rest get 429.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    malformed_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of requests answered out of format.")
    ] = 0.0,
    cut_rate: Annotated[float, typer.Option(metavar="SHARE", help="Share of connections cut within the answer.")] = 0.0,
    empty_rate: Annotated[float, typer.Option(metavar="SHARE", help="Share of answers without a body.")] = 0.0,
    truncated_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of answers with half their body.")
    ] = 0.0,
    wrong_type_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of answers that are a page of HTML.")
    ] = 0.0,
    drip_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of answers that come a byte at a time.")
    ] = 0.0,
    drip_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Pause between such bytes.")] = 0.1,
    endless_rate: Annotated[float, typer.Option(metavar="SHARE", help="Share of answers that never end.")] = 0.0,
    chunk_chars: Annotated[int, typer.Option(metavar="N", help="Characters in a piece of a stream.")] = 24,
    retry_after: Annotated[float, typer.Option(metavar="SECONDS", help="What an injected 429 asks for.")] = 1.0,
    api_key: Annotated[str | None, typer.Option(help="Refuse calls without this key; it is no secret here.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A name to answer to; the rest get 404. Repeatable.")] = None,
    context: Annotated[
        int | None, typer.Option(metavar="N", help="Most tokens of a prompt; longer ones get 400.")
    ] = None,
    cache_min_tokens: Annotated[
        int, typer.Option(metavar="N", help="The shortest prompt that Anthropic's cache keeps.")
    ] = 1024,
    batch_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="How long a batch takes.")] = 0.0,
    tuning_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="How long a fine-tuning job takes.")] = 0.0,
) -> None:
    """Serve the practice model (no real LM).

    It is an in-context learner in the wire formats of OpenAI, Anthropic and Gemini, for trying things out offline.
    Prints the address for --api-base on standard output. Counters: GET /stats.
    """
    given: dict[str, Any] = dict(locals())
    from dspex.errors import UsageError
    from dspex_practice import OptionError, PracticeOptions, run_forever

    try:
        options = PracticeOptions(models=tuple(given.pop("model") or ()), **given)
        run_forever(options, on_ready=lambda url: print(url, flush=True))
    except OptionError as error:
        raise UsageError(str(error)) from error
