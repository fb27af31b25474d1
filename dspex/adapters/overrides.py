"""Which methods of an adapter a subclass of the user overrides, and what follows from that."""

from __future__ import annotations

from typing import Any

STEPS = ("_call_preprocess", "format", "parse", "_call_postprocess", "_outputs_of")
"""Methods around the call. A user's version may wait for another call."""

RENDERING_THE_PREFIX = (
    "format_system_message",
    "format_field_description",
    "format_field_structure",
    "format_task_description",
    "format_user_message_content",
    "format_assistant_message_content",
    "format_demos",
    "format_field_with_value",
    "prefix_key",
)
"""Methods that render the shared part of prompts. A user's version may render something else at every call."""


def is_ours(method: Any) -> bool:
    """Tell whether `method` is dspex's, or there is none."""
    return method is None or str(getattr(method, "__module__", "")).startswith("dspex.")
