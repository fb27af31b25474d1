"""Serving the practice model over HTTP: from a coroutine, from the command line, or from a thread in tests."""

from __future__ import annotations

import asyncio
import errno
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from dspex_practice.api.options import OptionError, PracticeOptions

if TYPE_CHECKING:
    from aiohttp import web

    from dspex_practice.server.app import PracticeApp

OnReady = Callable[[str], object]
T = TypeVar("T")

_LARGEST_REQUEST = 64 * 1024 * 1024
"""Bytes: an optimizer may show a whole training set."""
_GRACE = 2.0
"""Seconds that open requests get when the server ends."""


async def serve(
    options: PracticeOptions, *, on_ready: OnReady | None = None, stop: asyncio.Event | None = None
) -> None:
    """Serve until `stop` is set or the task is cancelled. `on_ready` is called with the base URL (``http://…/v1``).

    Raises:
        OptionError: if the address cannot be listened on.
    """
    from dspex_practice.server.app import PracticeApp

    await _serve(PracticeApp(options), options, on_ready, stop or asyncio.Event())


def run_forever(options: PracticeOptions, on_ready: OnReady | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await serve(options, on_ready=on_ready, stop=stop)

    asyncio.run(main())


class PracticeServer:
    """The practice model in a thread of its own, for tests: ``with PracticeServer() as server: ... server.url``.

    It may be entered again after it has ended, and counts anew then.
    """

    def __init__(self, options: PracticeOptions | None = None) -> None:
        self.options = options or PracticeOptions()
        self.url = ""
        """The base URL, ending in ``/v1``, while it runs."""
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._app: PracticeApp
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="dspex-practice", daemon=True)

    def __enter__(self) -> PracticeServer:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dspex-practice", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def stats(self) -> dict[str, Any]:
        """The counters of ``GET /stats``."""
        return self._on_loop(self._app.stats.report)

    def reset_stats(self) -> None:
        """Set the counters to zero, as ``POST /stats/reset`` does."""
        self._on_loop(self._app.stats.reset)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - handed to the thread that entered
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        from dspex_practice.server.app import PracticeApp

        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._app = PracticeApp(self.options)
        await _serve(self._app, self.options, self._became_ready, self._stop)

    def _became_ready(self, url: str) -> None:
        self.url = url
        self._ready.set()

    def _on_loop(self, function: Callable[[], T]) -> T:
        """Run `function` where the counters change, so that it sees them whole."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


async def _serve(app: PracticeApp, options: PracticeOptions, on_ready: OnReady | None, stop: asyncio.Event) -> None:
    from aiohttp import web

    loop = asyncio.get_running_loop()

    def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_REQUEST)

    server = web.Server(app, request_factory=request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port, backlog=1024)
        await _listen(site, options)
        if on_ready is not None:
            host, port = runner.addresses[0][:2]
            on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")
        await stop.wait()
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, options: PracticeOptions) -> None:
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {options.port} is in use. Choose another with --port, or 0 for any free one."
            raise OptionError(message) from error
        raise OptionError(f"Cannot listen on {options.host}:{options.port}: {error.strerror}.") from error
