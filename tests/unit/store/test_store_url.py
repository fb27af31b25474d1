from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import dspex.settings
from dspex.errors import UsageError
from dspex.store import Store
from dspex.store.url import resolve


@pytest.fixture(autouse=True)
def a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DSPEX_STORE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_default_is_a_file_in_the_users_data_directory(tmp_path: Path) -> None:
    found = resolve()
    assert found.file is not None
    assert found.file.is_relative_to(tmp_path)
    assert (found.file.parent.name, found.file.name) == ("dspex", "store.db")
    assert not found.file.parent.exists(), "naming a store writes nothing"


async def test_directory_of_the_default_is_made(tmp_path: Path) -> None:
    store = Store()
    await store.check()
    store.close()
    assert resolve().file is not None
    assert resolve().file.is_file()  # type: ignore[union-attr]


def test_argument_before_setting_before_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DSPEX_STORE", "environment.db")
    assert resolve().file == tmp_path / "environment.db"
    with dspex.settings.context(store="setting.db"):
        assert resolve().file == tmp_path / "setting.db"
        assert resolve("argument.db").file == tmp_path / "argument.db"


def test_plain_paths_and_urls_name_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a b.db"
    for name in ("a b.db", "./a b.db", "~/a b.db", str(file), f"sqlite:///{file}", "sqlite:///a b.db", file):
        assert resolve(name).file == file
    monkeypatch.chdir("/")
    assert resolve("a b.db").file == Path("/a b.db")


def test_any_file_name_will_do(tmp_path: Path) -> None:
    name = "what? 100% #1 é.db"
    store = Store(name)
    asyncio.run(store.check())
    store.close()
    assert name in [file.name for file in tmp_path.iterdir()]


def test_postgresql_url_gets_the_driver_we_use() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert resolve(f"{scheme}://u@h/d").sqlalchemy == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@host:5/d", "postgresql://u:***@host:5/d"),
        ("postgresql://u:se@cret@host/d?sslmode=require", "postgresql://u:***@host/d"),
        ("postgresql://u@host/d?password=secret", "postgresql://u@host/d"),
        ("postgresql:///d?host=/run/pg&password=secret&port=7", "postgresql:///d?host=/run/pg&port=7"),
    ],
)
def test_password_is_never_shown(url: str, shown: str) -> None:
    assert resolve(url).shown == shown
    assert "secret" not in repr(Store(url))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://h/d", "cannot be mysql"),
        ("postgresql+asyncpg://h/d", "cannot be"),
        ("postgresql://u:secret@h:port/d", "not one"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_other_databases_are_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


def test_one_store_per_url_and_process(tmp_path: Path) -> None:
    store = Store.open("a.db")
    assert Store.open(tmp_path / "a.db") is store
    assert Store.open(f"sqlite:///{tmp_path}/a.db") is store
    assert Store.open("b.db") is not store
    store.close()
    assert Store.open("a.db") is not store
    Store.open("a.db").close()
    Store.open("b.db").close()
