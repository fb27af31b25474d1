"""The batch APIs that dspex speaks, and the wire formats of the requests in their batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.clients.batch.anthropic import AnthropicBatch
from dspex.clients.batch.gemini import GeminiBatch
from dspex.clients.batch.openai import AzureBatch, OpenAIBatch
from dspex.clients.wires.anthropic.messages import ANTHROPIC
from dspex.clients.wires.gemini.generate_content import GEMINI
from dspex.clients.wires.openai.chat import OPENAI_CHAT, OPENAI_TEXT
from dspex.clients.wires.openai.dialects import AZURE_CHAT, AZURE_RESPONSES
from dspex.clients.wires.openai.responses import OPENAI_RESPONSES
from dspex.errors import LMConfigurationError

if TYPE_CHECKING:
    from dspex.clients.batch.target import Target
    from dspex.clients.batch.wire import BatchWire
    from dspex.clients.calls.call import LMCall
    from dspex.clients.wires.wire import Wire

BATCH_WIRES: dict[str, BatchWire] = {
    wire.name: wire for wire in (OpenAIBatch(), AzureBatch(), AnthropicBatch(), GeminiBatch())
}

_WIRES: dict[str, tuple[Wire, str]] = {
    "chat": (OPENAI_CHAT, "openai"),
    "text": (OPENAI_TEXT, "openai"),
    "responses": (OPENAI_RESPONSES, "openai"),
    "azure chat": (AZURE_CHAT, "azure"),
    "azure responses": (AZURE_RESPONSES, "azure"),
    "anthropic": (ANTHROPIC, "anthropic"),
    "gemini": (GEMINI, "gemini"),
}
"""Wire formats by the name that the store keeps, each with the name of the batch API that takes them."""


def batch_wire_for(call: LMCall) -> BatchWire:
    """Return the batch API of the provider that `call` goes to.

    Raises:
        LMConfigurationError: the call cannot be made through a batch API.
    """
    if call.sender is not None or call.url.startswith("litellm"):
        raise LMConfigurationError(
            f"{call.model} cannot be asked through a batch API: it is asked through litellm or an engine, or its "
            "answer is shown as it comes in. Batches are for providers that dspex speaks to itself (OpenAI, "
            "Anthropic, Gemini, and servers of OpenAI's format with /batches).",
            model=call.model,
        )
    for wire, kind in _WIRES.values():
        if wire is call.wire:
            return BATCH_WIRES[kind]
    raise LMConfigurationError(
        f"{call.model} cannot be asked through a batch API: its provider has none that dspex knows."
    )


def wire_name(wire: Wire) -> str:
    """Return the name that the store keeps of a wire format that has batches."""
    return next(name for name, (known, _) in _WIRES.items() if known is wire)


def wire_of(target: Target) -> Wire:
    """Return the wire format of the requests to `target`."""
    return _WIRES[target.wire][0]


def batch_wire_of(target: Target) -> BatchWire:
    """Return the batch API of `target`."""
    return BATCH_WIRES[target.kind]
