"""Which database the store is: an argument, the settings, the environment, or a file in the user's data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from dspex.errors import UsageError
from dspex.settings import settings

ENVIRONMENT_VARIABLE = "DSPEX_STORE"

_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_ABSOLUTE = ("/", "sqlite:////", "postgres")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A database URL in SQLAlchemy's form; `shown` is the same without its password, for messages."""

    sqlalchemy: str
    shown: str
    dialect: Literal["sqlite", "postgresql"]
    file: Path | None = None
    make_directory: bool = False
    """Whether to make the file's directory: only the default store's, which no user can have mistyped."""


def resolve(url: str | os.PathLike[str] | None = None) -> StoreUrl:
    """The store to use: `url`, else ``settings.store``, else ``DSPEX_STORE``, else the user's own file.

    A plain path stands for an SQLite file. Cheap enough to be asked for every LM call.

    Raises:
        UsageError: for a database that the store does not work with.
    """
    chosen = url or settings.store or os.environ.get(ENVIRONMENT_VARIABLE)
    name = os.fspath(chosen) if chosen else ""
    if name.startswith(_ABSOLUTE):  # then all that follows would cost more than the rest of finding the store
        return _resolved(name, ())
    around = (_working_directory(), os.environ.get("HOME"), os.environ.get("XDG_DATA_HOME"))
    return _resolved(name, around)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it has been removed; only a relative path would need it
        return ""


@lru_cache(maxsize=64)
def _resolved(chosen: str, _around: tuple[str | None, ...]) -> StoreUrl:
    """`_around` is what a relative path or the user's directory is relative to: part of the question."""
    if not chosen:
        return _default()
    scheme, separator, rest = chosen.partition("://")
    if not separator:
        return _sqlite_file(Path(chosen))
    if scheme in _SQLITE:
        return _sqlite_url(rest, chosen)
    if scheme in _POSTGRESQL:
        return _postgresql(rest, chosen)
    raise UsageError(
        f"The store cannot be {scheme}: it is an SQLite file (a path, or sqlite:///path) or PostgreSQL "
        "(postgresql://user:password@host/database)."
    )


def _default() -> StoreUrl:
    import platformdirs

    file = Path(platformdirs.user_data_dir("dspex", appauthor=False)) / "store.db"
    return replace(_sqlite_file(file), make_directory=True)


def _sqlite_url(rest: str, text: str) -> StoreUrl:
    path = rest.partition("?")[0].removeprefix("/")
    if path in ("", ":memory:"):
        raise UsageError(f"The store {text} would be in memory only; worker processes share it, so name a file.")
    return _sqlite_file(Path(path))


def _sqlite_file(path: Path) -> StoreUrl:
    file = path.expanduser().absolute()
    url = f"sqlite:///{file}"
    return StoreUrl(url, url, "sqlite", file)


def _postgresql(rest: str, text: str) -> StoreUrl:
    try:
        shown = _without_password(text)
    except ValueError:  # which may quote a part of the password
        raise UsageError(
            "The store's URL is not one. Write postgresql://user:password@host:port/database, with %XX for special "
            "characters in the password."
        ) from None
    return StoreUrl(f"postgresql+psycopg://{rest}", shown, "postgresql")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError for what is no port
    user, at, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    secret = f"{name}:***" if ":" in user else name
    # Drivers take a password among the query's parameters too, so only those are shown that say where the server is.
    where = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key in ("host", "port")], safe="/")
    return f"{parts.scheme}://{secret}{at}{host}{parts.path}{'?' if where else ''}{where}"
