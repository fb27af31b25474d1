"""A stream for synchronous code."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Generator
from typing import Any

from dspex.bridge import engine_loop, wait_for
from dspex.streaming.channel import Channel


def apply_sync_streaming(async_generator: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
    """Yield the values of `async_generator`, which runs on dspex's own event loop from the first value asked for.

    It goes on while its values are being worked on. Ending the generator early ends it too.
    """
    channel = Channel()
    started = contextvars.copy_context().run(
        asyncio.run_coroutine_threadsafe, _pump(async_generator, channel), engine_loop()
    )
    try:
        while True:
            try:
                value = wait_for(anext(channel))
            except StopAsyncIteration:
                return
            yield value
    finally:
        started.cancel()


async def _pump(async_generator: AsyncGenerator[Any, None], channel: Channel) -> None:
    try:
        async for value in async_generator:
            channel.send_nowait(value)
    except BaseException as error:
        channel.end(error)
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        channel.end()
    finally:
        await async_generator.aclose()
