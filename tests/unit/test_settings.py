import asyncio
from collections.abc import Iterator

import pytest

from dspex.errors import UsageError
from dspex.settings import configure, context, override, reset, restore, settings


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


def test_configure_sets_the_process_and_context_a_block() -> None:
    configure(num_threads=3)
    with context(num_threads=5, max_errors=1):
        assert (settings.num_threads, settings["max_errors"]) == (5, 1)
        with context(num_threads=7):
            assert (settings.num_threads, settings.max_errors) == (7, 1)
    assert (settings.num_threads, settings.max_errors) == (3, 10)


def test_a_context_ends_with_an_exception_too() -> None:
    with pytest.raises(RuntimeError), context(num_threads=5):
        raise RuntimeError
    assert settings.num_threads == 64


def test_override_and_restore_are_a_context_by_hand() -> None:
    token = override("caller_modules", ["x"])
    assert settings.caller_modules == ["x"]
    restore(token)
    assert settings.caller_modules is None


def test_unknown_settings_are_refused_with_the_known_ones() -> None:
    for use in (lambda: configure(numthreads=3), lambda: context(numthreads=3).__enter__()):
        with pytest.raises(UsageError, match=r"numthreads.*num_threads"):
            use()
    with pytest.raises(AttributeError, match="numthreads"):
        _ = settings.numthreads
    assert "numthreads" not in settings
    assert settings.get("numthreads", 1) == 1


def test_an_lm_by_name_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match=r'dspex\.LM\("openai/x"\)'):
        configure(lm="openai/x")


async def test_tasks_that_run_at_once_do_not_see_one_another() -> None:
    barrier = asyncio.Barrier(50)

    async def work(number: int) -> bool:
        with context(num_threads=number):
            await barrier.wait()
            seen = settings.num_threads
            await barrier.wait()
            return bool(seen == number == settings.num_threads)

    assert all(await asyncio.gather(*(work(number) for number in range(50))))
