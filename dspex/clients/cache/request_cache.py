"""`request_cache`: a function whose results are kept in ``dspex.cache``."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from dspex.clients.cache.current import current_cache

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_UNRELATED = ("api_key", "api_base", "base_url")
"""Arguments that say how to ask, and not what."""


def request_cache(
    cache_arg_name: str | None = None,
    ignored_args_for_cache_key: Sequence[str] | None = None,
    enable_memory_cache: bool = True,
    *,
    maxsize: int | None = None,
) -> Callable[[F], F]:
    """Decorate a function, synchronous or ``async``: ``dspex.cache`` answers what it has been asked before.

    A result of None is not kept.

    Args:
        cache_arg_name: The keyword argument that holds the request; without it, all arguments are the request.
        ignored_args_for_cache_key: Arguments that make no difference; the key and the address by default.
        enable_memory_cache: Whether results may be kept in memory too.
        maxsize: Has no effect (an old argument of DSPy's): the cache's own limits hold.
    """
    ignored = list(ignored_args_for_cache_key or _UNRELATED)
    if maxsize is not None:
        logger.warning("[DEPRECATION] `maxsize` is deprecated and has no effect: `dspex.cache` has limits of its own.")

    def decorate(function: F) -> F:
        def request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
            """What is asked, as it is before the function may change it."""
            asked = dict(copy.deepcopy(kwargs[cache_arg_name] if cache_arg_name else kwargs))
            if not cache_arg_name:
                asked |= {f"positional_arg_{index}": copy.deepcopy(arg) for index, arg in enumerate(args)}
            return asked | {"_fn_identifier": f"{function.__module__}.{function.__qualname__}"}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def asynchronous(*args: Any, **kwargs: Any) -> Any:
                cache, asked = current_cache(), request(args, kwargs)
                found = cache.get(asked, ignored)
                if found is None:
                    found = await function(*args, **kwargs)
                    cache.put(asked, found, ignored, enable_memory_cache)
                return found

            return cast("F", asynchronous)

        @functools.wraps(function)
        def synchronous(*args: Any, **kwargs: Any) -> Any:
            cache, asked = current_cache(), request(args, kwargs)
            found = cache.get(asked, ignored)
            if found is None:
                found = function(*args, **kwargs)
                cache.put(asked, found, ignored, enable_memory_cache)
            return found

        return cast("F", synchronous)

    return decorate
