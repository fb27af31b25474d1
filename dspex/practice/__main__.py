"""``python -m dspex.practice --port N``: the practice model in a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dspex.errors import UsageError
from dspex.practice.options import PracticeOptions
from dspex.practice.server import run_forever


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Prints the URL as the one line of standard output."""
    given = vars(_parser().parse_args(arguments))
    try:
        run_forever(PracticeOptions(**given), on_ready=lambda url: print(url, flush=True))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dspex.practice",
        description="Serve the practice model, an in-context learner (not a language model), in OpenAI's wire format.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes any free port")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--error-rate", type=float, default=0.0, metavar="SHARE", help="of 429, 500 and 503")
    parser.add_argument("--rpm", type=int, default=None, metavar="N", help="requests a minute; more get 429")
    parser.add_argument("--malformed-rate", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--cut-rate", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--retry-after", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--api-key", default=None, help="refuse calls without this key; it is no secret here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
