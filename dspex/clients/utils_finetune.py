"""Training data: its formats, the check that rows keep to one, and its file. Names and path are DSPy's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypedDict

import orjson

from dspex.clients.cache.directory import DISK_CACHE_DIR
from dspex.errors import UsageError

_ROLES = ("assistant", "system", "user")


class TrainingStatus(StrEnum):
    """How a training goes."""

    not_started = "not_started"
    pending = "pending"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"


class TrainDataFormat(StrEnum):
    """The formats of training data: conversations, pairs of prompt and completion, or groups of rewarded answers."""

    CHAT = "chat"
    COMPLETION = "completion"
    GRPO_CHAT = "grpo_chat"


class Message(TypedDict):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str


class MessageAssistant(TypedDict):
    """The model's message."""

    role: Literal["assistant"]
    content: str


class GRPOChatData(TypedDict):
    """A rewarded answer: what was asked, what the model answered, and how good that was."""

    messages: list[Message]
    completion: MessageAssistant
    reward: float


class GRPOGroup(TypedDict):
    """Answers to the same question, whose rewards are compared with each other."""

    batch_id: int | None
    group: list[GRPOChatData]


class GRPOStatus(TypedDict):
    """How a reinforcement learning job goes."""

    job_id: str
    status: str | None
    current_model: str
    checkpoints: dict[str, str]
    last_checkpoint: str | None
    pending_batch_ids: list[int]


def infer_data_format(adapter: Any) -> TrainDataFormat:
    """Return the format of the rows that `adapter` writes.

    Raises:
        UsageError: it writes none (a ValueError).
    """
    written = getattr(adapter, "training_data_format", None)
    if written is not None:
        return TrainDataFormat(written)
    raise UsageError(f"Could not infer the data format for: {adapter}")


def get_finetune_directory() -> str:
    """Return the folder of training data: ``DSPY_FINETUNEDIR``, or one beside the cache. It is created if missing."""
    folder = os.path.abspath(os.environ.get("DSPY_FINETUNEDIR") or os.path.join(DISK_CACHE_DIR, "finetune"))
    os.makedirs(folder, exist_ok=True)
    return folder


def write_lines(file_path: str | os.PathLike[str], data: Iterable[Any]) -> None:
    """Write a JSONL file, in place of what was there.

    Args:
        file_path: The file.
        data: The items, one a line.
    """
    Path(file_path).write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in data))


def save_data(data: list[dict[str, Any]]) -> str:
    """Write the rows to a file named by their content, and return its path."""
    name = sha256(orjson.dumps(data)).hexdigest()[:16]
    path = os.path.join(get_finetune_directory(), f"{name}.jsonl")
    write_lines(path, data)
    return path


def validate_data_format(data: list[dict[str, Any]], data_format: TrainDataFormat) -> None:
    """Check that every row is of a format.

    Args:
        data: The rows.
        data_format: The format: CHAT or COMPLETION.

    Raises:
        UsageError: some rows are not; the message names the file that lists them. Also for another format (a
            ValueError).
    """
    checks: dict[str, Callable[[Any], str | None]] = {
        TrainDataFormat.CHAT: find_data_error_chat,
        TrainDataFormat.COMPLETION: find_data_errors_completion,
    }
    if data_format not in checks:
        raise UsageError(f"Data format {data_format} is not supported.")
    if not isinstance(data, list):
        raise UsageError(f"Data is not a list. Found data type: {type(data)}")
    found = [(index, _error_of(row, checks[data_format])) for index, row in enumerate(data)]
    errors = [{"index": index, "error": error} for index, error in found if error is not None]
    if errors:
        path = os.path.join(get_finetune_directory(), "data_format_errors.log")
        write_lines(path, errors)
        first = errors[0]
        raise UsageError(
            f"Data format errors found in {len(errors)} rows, the first in row {first['index']}: {first['error']}. "
            f"For more details, see the log file: {path}"
        )


def find_data_errors_completion(data_dict: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a row of prompt and completion; None if nothing is."""
    if error := _wrong_keys(data_dict, ("completion", "prompt")):
        return error
    wrong = next((name for name in ("prompt", "completion") if not isinstance(data_dict[name], str)), None)
    return None if wrong is None else f"Expected `{wrong}` to be of type `str`. Found: {type(data_dict[wrong])}"


def find_data_error_chat(messages: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a row of chat messages; None if nothing is."""
    if error := _wrong_keys(messages, ("messages",)):
        return error
    if not isinstance(messages["messages"], list):
        return f"The value of the `messages` key should be a list instance. Found: {type(messages['messages'])}"
    for index, message in enumerate(messages["messages"]):
        if error := find_data_error_chat_message(message):
            return f"Error in message at index {index}: {error}"
    return None


def find_data_error_chat_message(message: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a message; None if nothing is."""
    if error := _wrong_keys(message, ("content", "role")):
        return error
    if message["role"] not in _ROLES:
        return f"Expected Roles: {list(_ROLES)}; Found Role: {message['role']}"
    if not isinstance(message["content"], str):
        return f"Expected Content Type: `str`; Found Content Type: {type(message['content'])}"
    return None


def _error_of(row: Any, check: Callable[[Any], str | None]) -> str | None:
    return check(row) if isinstance(row, dict) else f"Not a dictionary -- found data type: {type(row)}"


def _wrong_keys(row: Mapping[str, Any], expected: tuple[str, ...]) -> str | None:
    if set(row) == set(expected):
        return None
    return f"Expected Keys: {list(expected)}; Found Keys: {sorted(row)}"
