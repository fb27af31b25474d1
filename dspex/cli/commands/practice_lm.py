"""``dspex practice-lm``: an offline stand-in for a language model."""

from __future__ import annotations

from typing import Annotated

import typer


def practice_lm(
    port: Annotated[int, typer.Option(help="0 takes any free port.")] = 0,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    latency: Annotated[float, typer.Option(metavar="SECONDS", help="Before every answer.")] = 0.0,
    jitter: Annotated[float, typer.Option(metavar="SECONDS", help="Up to this much more.")] = 0.0,
    error_rate: Annotated[float, typer.Option(metavar="SHARE", help="Of attempts refused with 429, 500 or 503.")] = 0.0,
    rpm: Annotated[int | None, typer.Option(metavar="N", help="Requests a minute; the rest get 429.")] = None,
    seed: Annotated[int, typer.Option(help="What all that is random follows from.")] = 0,
    malformed_rate: Annotated[float, typer.Option(metavar="SHARE", help="Of requests answered out of format.")] = 0.0,
    cut_rate: Annotated[float, typer.Option(metavar="SHARE", help="Of connections dropped within the answer.")] = 0.0,
    retry_after: Annotated[float, typer.Option(metavar="SECONDS", help="What an injected 429 asks for.")] = 1.0,
    api_key: Annotated[str | None, typer.Option(help="Refuse calls without this key; it is no secret here.")] = None,
) -> None:
    """Serve the practice model (no real LM).

    It is an in-context learner in OpenAI's wire format, for trying things out offline. Prints the address for
    --api-base on standard output. Counters: GET /stats.
    """
    from dspex.practice import PracticeOptions, run_forever

    options = PracticeOptions(
        host=host,
        port=port,
        seed=seed,
        latency=latency,
        jitter=jitter,
        error_rate=error_rate,
        rpm=rpm,
        malformed_rate=malformed_rate,
        cut_rate=cut_rate,
        retry_after=retry_after,
        api_key=api_key,
    )
    run_forever(options, on_ready=lambda url: print(url, flush=True))
