"""DSPy's place for the settings, which is the module `dspex.settings` itself: what is assigned here holds there."""

import sys

import dspex.settings as _home
from dspex.settings import (
    DEFAULT_CONFIG,
    Settings,
    config_owner_async_task,
    config_owner_thread_id,
    global_lock,
    main_thread_config,
    settings,
    thread_local_overrides,
)

__all__ = [
    "DEFAULT_CONFIG",
    "Settings",
    "config_owner_async_task",
    "config_owner_thread_id",
    "global_lock",
    "main_thread_config",
    "settings",
    "thread_local_overrides",
]

sys.modules[__name__] = _home
