import asyncio
import copy
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import dspex
import dspex.dsp.utils.settings as dspy_place
from dspex.bridge import run_sync, wait_for
from dspex.errors import UsageError
from dspex.settings import ConfigureRefusedError, configure, context, is_overridden, override, reset, restore, settings

FACES: list[Any] = [settings, dspex.settings, dspy_place]


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
    assert is_overridden("caller_modules")
    restore(token)
    assert settings.caller_modules is None
    assert not is_overridden("caller_modules")


@pytest.mark.parametrize("face", FACES)
def test_the_settings_object_reads_and_configures_in_every_form(face: Any) -> None:
    face.num_threads = 5
    face["max_errors"] = 2
    face.mine = "x"
    assert (face.num_threads, face["max_errors"], face.mine, face.get("mine")) == (5, 2, "x", "x")
    assert (settings.num_threads, dspex.settings.num_threads) == (5, 5)
    assert "mine" in face
    assert "yours" not in face
    assert face.get("yours", 1) == 1
    assert face.get("yours") is None
    assert not hasattr(face, "yours")
    with face.context(mine="y"):
        assert face.mine == "y"
    face.configure(mine="z")
    assert face.copy()["mine"] == face.config.mine == "z"
    assert "'mine': 'z'" in repr(face)


@pytest.mark.parametrize("face", FACES)
def test_a_copy_of_the_settings_object_reads_the_same_settings(face: Any) -> None:
    for copied in (copy.deepcopy(face), copy.copy(face), pickle.loads(cloudpickle.dumps(face))):
        configure(mine=object())
        assert copied.mine is settings.mine


def test_reset_forgets_what_was_appended_to_the_default_lists() -> None:
    settings.trace.append(1)
    reset()
    assert settings.trace == settings.callbacks == []


def test_a_key_that_looks_misspelled_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    configure(my_own_key=1)
    assert not caplog.records
    with context(numthreads=3):
        assert settings.numthreads == 3
    assert "'num_threads'" in caplog.text


def test_an_lm_by_name_is_warned_of_with_what_to_write(caplog: pytest.LogCaptureFixture) -> None:
    configure(lm="openai/x")
    assert 'dspex.LM("openai/x")' in caplog.text


async def test_tasks_that_run_at_once_do_not_see_one_another() -> None:
    barrier = asyncio.Barrier(50)

    async def work(number: int) -> bool:
        with context(num_threads=number):
            await barrier.wait()
            seen = settings.num_threads
            await barrier.wait()
            return bool(seen == number == settings.num_threads)

    assert all(await asyncio.gather(*(work(number) for number in range(50))))


async def test_greenlets_that_run_at_once_do_not_see_one_another() -> None:
    barrier = asyncio.Barrier(20)

    def work(number: int) -> bool:
        with context(num_threads=number):
            wait_for(barrier.wait())
            seen = settings.num_threads
            wait_for(barrier.wait())
            return bool(seen == number == settings.num_threads)

    assert all(await asyncio.gather(*(run_sync(work, number) for number in range(20))))
    assert settings.num_threads == 64


def test_a_context_reaches_what_dspex_runs_elsewhere_and_no_thread_of_the_users() -> None:
    async def seen() -> Any:
        return settings.mine

    configure(mine="process")
    with context(mine="block"), ThreadPoolExecutor(1) as pool:
        assert wait_for(seen()) == "block"
        assert pool.submit(lambda: settings.mine).result() == "process"


def test_a_context_in_one_thread_is_not_seen_in_another() -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with context(num_threads=1):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    assert settings.num_threads == 64
    leave.set()
    thread.join()


def test_only_the_thread_that_configured_may_do_so_again() -> None:
    configure(mine=1)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(configure, mine=2)
        with pytest.raises(ConfigureRefusedError, match=r"(?s)thread that initially configured.*context"):
            refused.result()
        assert pool.submit(lambda: settings.mine).result() == 1
    assert isinstance(refused.exception(), RuntimeError)


def test_when_the_thread_that_configured_has_ended_another_may() -> None:
    thread = threading.Thread(target=configure, kwargs={"mine": 1})
    thread.start()
    thread.join()
    configure(mine=2)
    assert settings.mine == 2


async def test_only_the_task_that_configured_may_do_so_again_while_it_runs() -> None:
    async def other() -> None:
        with context(mine=3):
            assert settings.mine == 3
        configure(mine=2)

    configure(mine=1)
    configure(mine=1)
    with pytest.raises(ConfigureRefusedError, match="same async task"):
        await asyncio.create_task(other())
    assert settings.mine == 1


async def test_when_the_task_that_configured_has_ended_another_may() -> None:
    async def first() -> None:
        configure(mine=1)

    await asyncio.create_task(first())
    configure(mine=2)
    assert settings.mine == 2


def test_settings_are_saved_and_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.pkl"
    configure(num_threads=3, mine={"a": 1}, secret=threading.Lock())
    with context(max_errors=7):
        settings.save(str(path), exclude_keys=["secret"])
    reset()
    with pytest.raises(UsageError, match="allow_pickle=True"):
        settings.load(path)
    loaded = dspex.load_settings(str(path), allow_pickle=True)
    assert "secret" not in loaded
    configure(**loaded)
    assert (settings.num_threads, settings.mine, settings.max_errors) == (3, {"a": 1}, 7)


def test_settings_that_cannot_be_pickled_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "settings.pkl"
    path.write_bytes(b"old")
    configure(secret=threading.Lock())
    with pytest.raises(RuntimeError, match="Saving failed with error"):
        settings.save(path)
    assert path.read_bytes() == b"old"


def test_a_lm_survives_saved_settings(tmp_path: Path) -> None:
    configure(lm=dspex.LM("openai/gpt-4o-mini", temperature=0.3))
    settings.save(tmp_path / "s.pkl")
    assert settings.load(tmp_path / "s.pkl", allow_pickle=True)["lm"].dump_state() == settings.lm.dump_state()
