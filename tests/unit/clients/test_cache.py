"""The cache keeps what it is told to keep, where it is told, and nobody can change it for another."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

import dspex
from dspex.clients.cache import Cache, request_cache
from dspex.clients.cache.current import usual_cache
from dspex.clients.cache.disk import DiskCache
from dspex.clients.canonical.answer import Answer


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(True, True, tmp_path / "cache")


@pytest.fixture
def used(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    """`cache` is ``dspex.cache``."""
    monkeypatch.setattr(dspex, "cache", cache)
    return cache  # type: ignore[return-value]


class Model(pydantic.BaseModel):
    x: int


def again(cache: Cache) -> Cache:
    """Another process's cache in the same place."""
    return Cache(True, True, cache.disk_cache_dir)


# Keys


def test_key_follows_the_content_and_not_its_order(cache: Cache) -> None:
    assert cache.cache_key({"a": 1, "b": {"c": 2, "d": 3}}) == cache.cache_key({"b": {"d": 3, "c": 2}, "a": 1})
    assert cache.cache_key({"a": 1}) != cache.cache_key({"a": 2})
    assert cache.cache_key({"a": 1, "api_key": "k"}, ["api_key"]) == cache.cache_key({"a": 1})


def test_key_takes_models_their_classes_and_code(cache: Cache) -> None:
    keys = {cache.cache_key({"a": value}) for value in (Model(x=1), Model(x=2), Model, len, usual_cache, [Model(x=1)])}
    assert len(keys) == 6
    assert cache.cache_key({"a": Model(x=1)}) == cache.cache_key({"a": {"x": 1}})


def test_request_that_is_not_json_is_not_kept(cache: Cache) -> None:
    cache.put({"a": object()}, "value")
    assert cache.get({"a": object()}) is None


# Tiers


def test_value_is_found_in_memory_and_on_disk(cache: Cache) -> None:
    cache.put({"a": 1}, {"deep": [1]})
    assert cache.get({"a": 1}) == {"deep": [1]}
    cache.reset_memory_cache()
    assert cache.get({"a": 1}) == again(cache).get({"a": 1}) == {"deep": [1]}
    assert cache.cache_key({"a": 1}) in cache


@pytest.mark.parametrize(("disk", "memory"), [(True, False), (False, True), (False, False)])
def test_disabled_tier_keeps_nothing(tmp_path: Path, disk: bool, memory: bool) -> None:
    cache = Cache(disk, memory, tmp_path / "cache")
    cache.put({"a": 1}, "value")
    assert cache.get({"a": 1}) == ("value" if disk or memory else None)
    assert len(cache.memory_cache) == int(memory)
    assert len(cache.disk_cache) == int(disk)
    assert (tmp_path / "cache").exists() == disk


def test_value_may_be_kept_on_disk_alone(cache: Cache) -> None:
    cache.put({"a": 1}, "value", enable_memory_cache=False)
    assert len(cache.memory_cache) == 0
    assert cache.get({"a": 1}) == "value"


def test_memory_keeps_what_was_used_last() -> None:
    cache = Cache(False, True, None, memory_max_entries=2)
    for name in ("a", "b"):
        cache.put({"q": name}, name)
    cache.get({"q": "a"})
    cache.put({"q": "c"}, "c")
    assert [cache.get({"q": name}) for name in "abc"] == ["a", None, "c"]


@pytest.mark.parametrize("wrong", [None, 0, -1])
def test_memory_needs_a_bound(wrong: Any) -> None:
    with pytest.raises(ValueError, match="memory_max_entries"):
        Cache(False, True, None, memory_max_entries=wrong)
    assert Cache(False, True, None, memory_max_entries=math.inf).memory_cache == {}


def test_disk_gives_up_what_was_stored_first(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path, size_limit=10_000)
    for number in range(100):
        disk.set(str(number), b"x" * 1000)
    assert disk.volume() < 10_000 + 2000
    assert "0" not in disk
    assert "99" in disk


def test_disk_works_in_a_forked_child(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path)
    disk.set("a", 1)
    child = os.fork()
    if not child:  # no pytest from here on
        os._exit(0 if disk.get("a") == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


# Nobody's but the taker's


def test_value_found_can_be_changed_by_nobody_else(cache: Cache) -> None:
    value = {"list": [1]}
    cache.put({"a": 1}, value)
    value["list"].append(2)
    cache.get({"a": 1})["list"].append(3)
    assert cache.get({"a": 1}) == {"list": [1]}


def test_answer_found_says_so_and_costs_nothing(cache: Cache) -> None:
    cache.put({"a": 1}, SimpleNamespace(text="t", usage={"total_tokens": 5}))
    found = cache.get({"a": 1})
    assert (found.text, found.usage, found.cache_hit) == ("t", {}, True)


# Files


def test_memory_can_be_saved_and_loaded(cache: Cache, tmp_path: Path) -> None:
    cache.put({"a": 1}, "value")
    cache.save_memory_cache(tmp_path / "memory.pkl")
    other = Cache(False, True, None)
    with pytest.raises(ValueError, match="allow_pickle=True"):
        other.load_memory_cache(tmp_path / "memory.pkl")
    other.load_memory_cache(tmp_path / "memory.pkl", allow_pickle=True)
    assert other.get({"a": 1}) == "value"


class Gadget:
    """What a pickle may do when it is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("should-not-be",)


def test_restricted_cache_reads_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = Cache(True, False, tmp_path / "cache", restrict_pickle=True)
    cache.put({"a": 1}, Gadget())
    assert cache.get({"a": 1}) is None
    assert not Path("should-not-be").exists()
    assert len(cache.disk_cache) == 0


def test_restricted_cache_reads_data_answers_and_types_that_are_named(tmp_path: Path) -> None:
    values = [{"a": [1, "b", None, 2.5]}, Answer(choices=[{"text": "t"}]), Model(x=1)]
    named = Cache(True, False, tmp_path, restrict_pickle=True, safe_types=[Model])
    for number, value in enumerate(values):
        named.put({"n": number}, value)
    assert [named.get({"n": number}) for number in range(3)] == values
    assert Cache(True, False, tmp_path, restrict_pickle=True).get({"n": 2}) is None


def test_safe_types_are_types(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="safe_types"):
        Cache(True, False, tmp_path, restrict_pickle=True, safe_types=["Model"])  # type: ignore[list-item]


def test_damaged_value_is_no_value(cache: Cache) -> None:
    assert isinstance(cache.disk_cache, DiskCache)
    key = cache.cache_key({"a": 1})
    cache.disk_cache._execute("INSERT INTO entries VALUES (?, ?)", key, b"\x80damaged")
    assert cache.get({"a": 1}) is None
    assert key not in cache


def test_place_that_cannot_be_written_leaves_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DSPEX_CACHEDIR", "/dev/null/nowhere")
    cache = usual_cache()
    cache.put({"a": 1}, "value")
    assert cache.get({"a": 1}) == "value"
    assert "memory-only" in caplog.text


# request_cache


def test_function_is_called_once_a_request(used: Cache) -> None:
    calls: list[Any] = []

    @request_cache()
    def ask(*args: Any, **kwargs: Any) -> dict[str, Any]:
        calls.append((args, kwargs))
        return {"said": len(calls)}

    assert ask(1, x={"y": 2}) == ask(1, x={"y": 2}) == {"said": 1}
    assert ask(1, x={"y": 3}) == {"said": 2}
    assert ask(2, x={"y": 2}, api_key="k") == ask(2, x={"y": 2}, api_key="other") == {"said": 3}
    assert ask.__name__ == "ask"


def test_request_may_be_one_argument(used: Cache) -> None:
    calls: list[Any] = []

    @request_cache(cache_arg_name="request", ignored_args_for_cache_key=["seed"])
    def ask(request: dict[str, Any], tries: int) -> str:
        calls.append(request)
        request["changed"] = True
        return f"answer {tries}"

    assert ask(request={"q": 1, "seed": 1}, tries=1) == ask(request={"q": 1, "seed": 2}, tries=2) == "answer 1"
    assert len(calls) == 1


async def test_asynchronous_function_is_called_once(used: Cache) -> None:
    calls: list[int] = []

    @request_cache()
    async def ask(x: int) -> int:
        calls.append(x)
        return x + 1

    assert [await ask(x=1), await ask(x=1)] == [2, 2]
    assert calls == [1]


def test_functions_do_not_share_results(used: Cache) -> None:
    @request_cache()
    def one(x: int) -> str:
        return "one"

    @request_cache()
    def other(x: int) -> str:
        return "other"

    assert (one(x=1), other(x=1)) == ("one", "other")


def test_cache_in_use_may_be_replaced_and_have_its_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loose(Cache):
        def cache_key(self, request: dict[str, Any], ignored_args_for_cache_key: Any = None) -> str:
            return json.dumps(request["x"])

    monkeypatch.setattr(dspex, "cache", Loose(False, True, None))

    @request_cache()
    def ask(x: int, y: int) -> int:
        return x + y

    assert ask(x=1, y=1) == ask(x=1, y=50) == 2


def test_old_argument_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        request_cache(maxsize=5)
    assert "maxsize" in caplog.text


def test_memory_of_a_cache_is_a_plain_pickle(cache: Cache) -> None:
    cache.put({"a": 1}, "value")
    copy = pickle.loads(pickle.dumps(cache.memory_cache))
    assert (dict(copy), copy.maxsize) == (dict(cache.memory_cache), 1000000)
