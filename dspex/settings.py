"""Process-wide configuration and overrides that hold for a block of code.

`configure` sets the process's defaults. `context` overrides them for the code inside the ``with``, through a context
variable: tasks, threads started by dspex and greenlets inherit it, and never see one another's. Names and defaults are
DSPy's (``dspy.settings``), except for `num_threads`, the number of programs that run at once, and dspex's own
`temporal`, `store`, `task_queue`, `prices` and `telemetry`.

This module is itself the object that DSPy calls ``dspy.settings``: ``dspex.settings.lm`` reads, ``dspex.settings.lm =
...`` configures.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

from dspex.by_value import serialize_by_value
from dspex.dotdict import dotdict
from dspex.errors import UsageError
from dspex.moved import MovedUnpickler

logger = logging.getLogger(__name__)

DEFAULT_CONFIG: dict[str, Any] = {
    "lm": None,
    "adapter": None,
    "rm": None,
    "branch_idx": 0,
    "trace": [],
    "callbacks": [],
    "async_max_workers": 8,
    "num_threads": 64,
    "max_errors": 10,
    "provide_traceback": False,
    "track_usage": False,
    "usage_tracker": None,
    "disable_history": False,
    "max_history_size": 10000,
    "max_trace_size": 10000,
    "warn_on_type_mismatch": True,
    "allow_tool_async_sync_conversion": False,
    "interpreter_factory": None,
    "send_stream": None,
    "stream_listeners": [],
    "caller_predict": None,
    "caller_modules": None,
    "temporal": None,
    "store": None,
    "task_queue": None,
    "prices": None,
    "telemetry": None,
}


class DefaultTrace(list[Any]):
    """The trace of a process that configured none: the last few calls of predictors (`DefaultTrace.SIZE`).

    DSPy holds on to the last `max_trace_size` there too, which are 10,000 predictions and all that was sent for them.
    """

    SIZE = 100


OwnTrace = DefaultTrace
"""The name in settings that version 0.1 saved."""


def _defaults() -> dict[str, Any]:
    fresh = {name: list(value) if isinstance(value, list) else value for name, value in DEFAULT_CONFIG.items()}
    return {**fresh, "trace": DefaultTrace()}


main_thread_config: dict[str, Any] = _defaults()
"""What `configure` has set for the whole process (DSPy's name for it)."""
thread_local_overrides: ContextVar[Mapping[str, Any]] = ContextVar("dspex_overrides", default=MappingProxyType({}))
"""What the `context` blocks around the running code override (DSPy's name; it belongs to tasks and greenlets too)."""
global_lock = threading.Lock()
config_owner_thread_id: int | None = None
config_owner_async_task: asyncio.Task[Any] | None = None


class ConfigureRefusedError(UsageError, RuntimeError):
    """Another thread or task that still runs has configured this process."""


class Settings:
    """The configuration that holds where it is read: ``settings.lm``, ``settings["adapter"]``, ...

    Keys of your own may be configured too, and are read in the same ways.
    """

    def __new__(cls, *args: Any) -> Settings:
        known = globals().get("settings")
        return known if cls is Settings and known is not None else super().__new__(cls)

    def __getattr__(self, name: str) -> Any:
        overrides = thread_local_overrides.get()
        if name in overrides:
            return overrides[name]
        try:
            return main_thread_config[name]
        except KeyError:
            raise AttributeError(
                f"'Settings' object has no attribute '{name}'. Settings: {', '.join(sorted(main_thread_config))}."
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    def __contains__(self, name: str) -> bool:
        return name in main_thread_config or name in thread_local_overrides.get()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting.

        Args:
            name: Its name.
            default: What to return where there is no setting of that name.
        """
        try:
            return self[name]
        except AttributeError:
            return default

    def configure(self, **values: Any) -> None:
        """See `dspex.settings.configure`."""
        configure(**values)

    def context(self, **values: Any) -> Any:
        """See `dspex.settings.context`."""
        return context(**values)

    def copy(self) -> dict[str, Any]:
        """All settings that hold here, as a new dictionary whose keys are attributes too."""
        return dotdict({**main_thread_config, **thread_local_overrides.get()})

    @property
    def config(self) -> dict[str, Any]:
        """See `copy`."""
        return self.copy()

    @property
    def lock(self) -> threading.Lock:
        """The lock that `configure` holds (DSPy's name for it)."""
        return global_lock

    def save(
        self,
        path: str | os.PathLike[str],
        modules_to_serialize: list[ModuleType] | None = None,
        exclude_keys: list[str] | None = None,
    ) -> None:
        """Pickle the settings that hold here to a file.

        Args:
            path: The file.
            modules_to_serialize: Modules to be pickled with their code, for those who cannot import them.
            exclude_keys: Settings to leave out.

        Raises:
            RuntimeError: a setting cannot be pickled; the file was not touched.
        """
        _save(path, modules_to_serialize or [], exclude_keys or [])

    @staticmethod
    def load(path: str | os.PathLike[str], allow_pickle: bool = False) -> dict[str, Any]:
        """Read settings that `save` wrote, to be passed to `configure`. Reading runs code: only read what you trust.

        Args:
            path: The file.
            allow_pickle: Must be True, to say that you trust the file.

        Raises:
            ValueError: `allow_pickle` is not set.
        """
        return load_settings(path, allow_pickle)

    def __deepcopy__(self, memo: dict[int, Any]) -> Settings:
        return self

    def __copy__(self) -> Settings:
        return self

    def __reduce__(self) -> str:
        return "settings"

    def __repr__(self) -> str:
        return f"Settings({dict(self.copy())!r})"


settings = Settings()


def configure(**values: Any) -> None:
    """Set defaults for the whole process, e.g. ``configure(lm=LM("openai/gpt-4o-mini"), temporal="localhost:7233")``.

    Inside a `context` block an override of the same name still wins. The first thread, and the first task, that
    configures is the one that may do so again, until it ends: two that work at once would undo each other's settings.

    Raises:
        ConfigureRefusedError: another thread or task did it first and still runs. Use `context` there.
    """
    with global_lock:
        _own()
    _warn_of_mistakes(values)
    main_thread_config.update(values)


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Override settings for the code inside the block, and for nothing else that runs at the same time."""
    _warn_of_mistakes(values)
    token = thread_local_overrides.set({**thread_local_overrides.get(), **values})
    try:
        yield
    finally:
        thread_local_overrides.reset(token)


def override(name: str, value: Any) -> Token[Mapping[str, Any]]:
    """Override one setting until `restore`: `context` for hot paths, without its checks.

    Args:
        name: The setting.
        value: Its value.

    Returns:
        The token for `restore`.
    """
    return thread_local_overrides.set({**thread_local_overrides.get(), name: value})


def restore(token: Token[Mapping[str, Any]]) -> None:
    """Undo `override`."""
    thread_local_overrides.reset(token)


def read(name: str) -> Any:
    """Read one of the `DEFAULT_CONFIG` settings as it holds here: ``settings.name`` for hot paths."""
    overrides = thread_local_overrides.get()
    return overrides[name] if name in overrides else main_thread_config[name]


def is_overridden(name: str) -> bool:
    """Say whether a `context` around the running code sets `name`."""
    return name in thread_local_overrides.get()


def reset() -> None:
    """Forget everything configured (for tests)."""
    global config_owner_thread_id, config_owner_async_task
    config_owner_thread_id = config_owner_async_task = None
    main_thread_config.clear()
    main_thread_config.update(_defaults())


def load_settings(path: str | os.PathLike[str], allow_pickle: bool = False) -> dict[str, Any]:
    """Read settings that `Settings.save` wrote. Reading runs code: only read what you trust.

    Args:
        path: The file.
        allow_pickle: Must be True, to say that you trust the file.

    Raises:
        UsageError: `allow_pickle` is not set (a ValueError).
    """
    if not allow_pickle:
        raise UsageError(
            f"{os.fspath(path)}: Loading .pkl files can run arbitrary code, which may be dangerous. "
            "Set `allow_pickle=True` if you trust the source of the file."
        )
    with open(path, "rb") as file:
        found: dict[str, Any] = MovedUnpickler(file).load()
    return found


def _save(path: str | os.PathLike[str], by_value: list[ModuleType], exclude: list[str]) -> None:
    import cloudpickle

    logger.warning("Pickled settings run code when they are loaded. Load none that you do not trust.")
    values = {name: value for name, value in settings.copy().items() if name not in exclude}
    try:
        with serialize_by_value(by_value):
            pickled = cloudpickle.dumps(values)
        with open(path, "wb") as file:
            file.write(pickled)
    except Exception as error:
        raise RuntimeError(
            f"Saving failed with error: {error}. Leave out what cannot be pickled, with exclude_keys=[...]."
        ) from error


def _own() -> None:
    """Make the running thread, and task, the one that configures.

    Raises:
        ConfigureRefusedError: another one is, and still runs.
    """
    global config_owner_thread_id, config_owner_async_task
    thread, owner = threading.get_ident(), config_owner_thread_id
    if thread != owner:
        if owner is not None and any(each.ident == owner for each in threading.enumerate()):
            raise ConfigureRefusedError(
                "dspy.settings can only be changed by the thread that initially configured it. "
                "In this thread use `with dspex.context(...)`, which overrides settings for the code inside alone."
            )
        config_owner_thread_id, config_owner_async_task = thread, None
    task = _current_task()
    if task is None:
        return
    if config_owner_async_task is None or config_owner_async_task.done():
        config_owner_async_task = task
    elif config_owner_async_task is not task and not _in_notebook():
        raise ConfigureRefusedError(
            "dspy.configure(...) can only be called from the same async task that called it first. "
            "Please use `dspy.context(...)` in other async tasks instead: it overrides settings for the code inside."
        )


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _in_notebook() -> bool:
    """Each cell of a notebook is a task of its own."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def _warn_of_mistakes(values: Mapping[str, Any]) -> None:
    for name in values:
        if name not in main_thread_config:
            _warn_of_misspelling(name)
    lm = values.get("lm")
    if isinstance(lm, str):
        logger.warning('An LM is not given by name: instead of lm="%s" write lm=dspex.LM("%s").', lm, lm)


def _warn_of_misspelling(name: str) -> None:
    from difflib import get_close_matches  # needed only for a misspelled name

    for meant in get_close_matches(name, DEFAULT_CONFIG, 1, cutoff=0.85):
        logger.warning("There is no setting %r. Is %r meant?", name, meant)


class _SettingsModule(ModuleType, Settings):
    """This module as DSPy's object: names that it does not define itself are settings."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or name in self.__dict__:
            ModuleType.__setattr__(self, name, value)
        else:
            configure(**{name: value})

    def __reduce__(self) -> Any:
        return import_module, (__name__,)

    __getattr__ = Settings.__getattr__
    __repr__ = Settings.__repr__


sys.modules[__name__].__class__ = _SettingsModule
