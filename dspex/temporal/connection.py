"""Connect to Temporal: arguments, then Temporal's own environment and profiles, then localhost."""

from __future__ import annotations

import os
from typing import Any

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client as TemporalClient
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from dspex.errors import DSPyError, UsageError
from dspex.observability import telemetry
from dspex.temporal.contracts.optimize import DEFAULT_TASK_QUEUE
from dspex.temporal.search_attributes import TYPES

LOCAL = "localhost:7233"


class TemporalNotReachableError(DSPyError):
    """No Temporal server answers at the address."""


def chosen_task_queue(given: str | None = None) -> str:
    """Return `given`, else the configured queue, ``DSPEX_TASK_QUEUE``, ``TEMPORAL_TASK_QUEUE``, or ``dspex``."""
    from dspex.settings import settings

    named = given or settings.task_queue or os.environ.get("DSPEX_TASK_QUEUE") or os.environ.get("TEMPORAL_TASK_QUEUE")
    return named or DEFAULT_TASK_QUEUE


async def connect(address: str | None = None, namespace: str | None = None) -> TemporalClient:
    """Connect to a Temporal server.

    Args:
        address: ``host:port``; else ``TEMPORAL_ADDRESS`` or the profile's, else localhost.
        namespace: The server's namespace; else ``TEMPORAL_NAMESPACE`` or the profile's.

    Raises:
        TemporalNotReachableError: nothing answers there.
        UsageError: Temporal's own configuration cannot be read.
    """
    try:
        config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    except Exception as error:  # envconfig raises bare RuntimeErrors of its own
        raise UsageError(f"Temporal's configuration (TEMPORAL_* or the profile) cannot be used: {error}") from error
    if address is not None:
        config["target_host"] = address
    if namespace is not None:
        config["namespace"] = namespace
    target = config.setdefault("target_host", LOCAL)
    current = telemetry()
    if current is not None:
        from dspex.temporal.tracing import RunTracing

        config["interceptors"] = [RunTracing(current)]
    try:
        return await TemporalClient.connect(**config, data_converter=pydantic_data_converter)
    except (RPCError, RuntimeError, OSError) as error:
        raise TemporalNotReachableError(
            f"No Temporal server answers at {target}. Start one here with `dspex dev`, name another with --temporal or "
            "TEMPORAL_ADDRESS, or run without durability with --local."
        ) from error


async def knows_search_attributes(temporal: TemporalClient) -> bool:
    """Whether the server has dspex's search attributes; False for a server that does not list its attributes."""
    request = ListSearchAttributesRequest(namespace=temporal.namespace)
    try:
        response = await temporal.operator_service.list_search_attributes(request)
    except RPCError:
        return False  # listing may be forbidden; runs do without them
    return set(TYPES) <= set(response.custom_attributes)
