"""``python -m dspex_practice --port N``: the practice model in a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dspex_practice.api.options import OptionError, PracticeOptions
from dspex_practice.server.server import run_forever

_WAITS = {
    "latency": 0.0,
    "jitter": 0.0,
    "retry-after": 1.0,
    "drip-seconds": 0.1,
    "batch-seconds": 0.0,
    "tuning-seconds": 0.0,
}
"""In seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Prints the URL as the one line of standard output."""
    given = vars(_parser().parse_args(arguments))
    given["models"] = tuple(given["models"] or ())
    try:
        run_forever(PracticeOptions(**given), on_ready=lambda url: print(url, flush=True))
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dspex_practice",
        description="Serve the practice model, an in-context learner (not a language model), in the wire formats of "
        "OpenAI, Anthropic and Gemini.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes any free port")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--error-rate", type=float, default=0.0, metavar="SHARE", help="of 429, 500 and 503")
    parser.add_argument("--rpm", type=int, default=None, metavar="N", help="requests a minute; more get 429")
    parser.add_argument("--tpm", type=int, default=None, metavar="N", help="tokens a minute; more get 429")
    for fault in ("malformed", "cut", "empty", "truncated", "wrong-type", "drip", "endless"):
        parser.add_argument(f"--{fault}-rate", type=float, default=0.0, metavar="SHARE")
    for wait, seconds in _WAITS.items():
        parser.add_argument(f"--{wait}", type=float, default=seconds, metavar="SECONDS")
    parser.add_argument("--chunk-chars", type=int, default=24, metavar="N", help="characters in a piece of a stream")
    parser.add_argument("--api-key", default=None, help="refuse calls without this key; it is no secret here")
    parser.add_argument("--model", action="append", dest="models", help="a name to answer to; the rest get 404")
    parser.add_argument("--context", type=int, default=None, metavar="N", help="tokens of a prompt; longer get 400")
    parser.add_argument("--cache-min-tokens", type=int, default=1024, metavar="N")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
