"""Which database the store is: an argument, the settings, the environment, or a file in the user's data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from dspex.errors import UsageError
from dspex.settings import settings

ENVIRONMENT_VARIABLE = "DSPEX_STORE"

_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A database URL in SQLAlchemy's form; `shown` is the same without its password, for messages."""

    sqlalchemy: str
    shown: str
    dialect: Literal["sqlite", "postgresql"]
    file: Path | None = None


def resolve(url: str | os.PathLike[str] | None = None) -> StoreUrl:
    """The store to use: `url`, else ``settings.store``, else ``DSPEX_STORE``, else the user's own file.

    A plain path stands for an SQLite file.

    Raises:
        UsageError: for a database that the store does not work with.
    """
    chosen = url or settings.store or os.environ.get(ENVIRONMENT_VARIABLE)
    if not chosen:
        return _sqlite_file(default_file())
    text = os.fspath(chosen)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _sqlite_file(Path(text))
    if scheme in _SQLITE:
        return _sqlite_url(rest, text)
    if scheme in _POSTGRESQL:
        return StoreUrl(f"postgresql+psycopg://{rest}", _without_password(text), "postgresql")
    raise UsageError(
        f"The store cannot be {scheme}: it is an SQLite file (a path, or sqlite:///path) or PostgreSQL "
        "(postgresql://user:password@host/database)."
    )


def default_file() -> Path:
    """The store of a user who has named none; its directory is made here, because nobody chose it."""
    import platformdirs

    directory = Path(platformdirs.user_data_dir("dspex", appauthor=False))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory / "store.db"


def _sqlite_url(rest: str, text: str) -> StoreUrl:
    path = unquote(rest.partition("?")[0].removeprefix("/"))
    if path in ("", ":memory:"):
        raise UsageError(f"The store {text} would be in memory only; worker processes share it, so name a file.")
    return _sqlite_file(Path(path))


def _sqlite_file(path: Path) -> StoreUrl:
    file = path.expanduser().absolute()
    url = f"sqlite:///{file}"
    return StoreUrl(url, url, "sqlite", file)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    secret = f"{name}:***" if ":" in user else name
    # Drivers also take a password among the query's parameters, so none of those are shown.
    return urlunsplit((parts.scheme, f"{secret}{at}{host}", parts.path, "", ""))
