"""The checks of ``dspex doctor``, one function each: what is there, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dspex.cli.dev.options import DevOptions
from dspex.cli.output.exit import FAILED, Ended
from dspex.errors import DSPyError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.temporal.client import Client

Verdict = Literal["ok", "warn", "fail"]

_PACKAGES = ("temporalio", "httpx", "aiohttp", "pydantic", "greenlet", "sqlalchemy", "orjson", "typer", "rich")
_EXTRAS = {"psycopg": "postgres", "pyarrow": "parquet"}
_KEYS = ("OPENAI_API_KEY",)
_LEAST_FREE_BYTES = 1024**3


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        name: What was checked.
        verdict: Whether it is as it should be.
        found: What is there.
        advice: What to do, where something is wrong.
    """

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def check_everything(deployment: Deployment, state: Path | None, *, as_json: bool) -> None:
    """Run all checks and print what they found.

    Args:
        deployment: The store and the server to check.
        state: The folder of ``dspex dev``; by default the one that it has by itself.
        as_json: Print one JSON object.

    Raises:
        Ended: a check failed.
    """
    from dspex.bridge import wait_for

    findings = [_python(), *_packages(), _temporal_program(), *_keys()]
    findings += wait_for(_store(deployment))
    findings += wait_for(_server(deployment))
    findings.append(_disk(deployment, state))
    if as_json:
        print(json.dumps({"checks": [asdict(finding) for finding in findings]}), flush=True)
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise Ended(FAILED)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", found)
    return Finding("python", "fail", found, "Use Python 3.11, 3.12 or 3.13.")


def _packages() -> Iterator[Finding]:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding("packages", "fail", f"missing: {', '.join(missing)}", "pip install dspex")
    else:
        yield Finding("packages", "ok", f"dspex {_version('dspex')}, temporalio {_version('temporalio')}")
    for module, extra in _EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(extra, "warn", f"{module} is not installed", f"If you need it: pip install 'dspex[{extra}]'")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _temporal_program() -> Finding:
    from dspex.temporal.server import temporal_binary

    try:
        return Finding("temporal program", "ok", temporal_binary())
    except DSPyError as error:
        return Finding("temporal program", "warn", "not installed", str(error))


def _keys() -> Iterator[Finding]:
    names = [name for name in _KEYS if os.environ.get(name)]
    if names:
        yield Finding("LM keys", "ok", f"set: {', '.join(names)}")
    else:
        yield Finding(
            "LM keys", "warn", f"not set: {', '.join(_KEYS)}", "Needed by that provider's models, on every worker."
        )


async def _store(deployment: Deployment) -> list[Finding]:
    try:
        store = deployment.open_store()
        await store.check()
    except DSPyError as error:
        return [Finding("store", "fail", str(error), "Set DSPEX_STORE or --store to a file or a database that works.")]
    return [Finding("store", "ok", store.shown_url)]


async def _server(deployment: Deployment) -> list[Finding]:
    try:
        client = await deployment.connect()
    except DSPyError as error:
        found, _, advice = str(error).partition(". ")
        return [Finding("temporal server", "fail", found, advice)]
    address = client.temporal.service_client.config.target_host
    return [
        Finding("temporal server", "ok", address),
        await _answered("namespace", _namespace(client)),
        await _answered("search attributes", _search_attributes(client)),
        await _answered("workers", _workers(client)),
    ]


async def _answered(name: str, check: Coroutine[Any, Any, Finding]) -> Finding:
    """What `check` finds, or that the server refuses to answer it."""
    from temporalio.service import RPCError

    try:
        return await check
    except RPCError as error:
        return Finding(
            name, "fail", error.message, "Check --namespace (TEMPORAL_NAMESPACE) and the server's permissions."
        )


async def _namespace(client: Client) -> Finding:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    name = client.temporal.namespace
    await client.temporal.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    return Finding("namespace", "ok", name)


async def _search_attributes(client: Client) -> Finding:
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

    from dspex.temporal.search_attributes import TYPES

    request = ListSearchAttributesRequest(namespace=client.temporal.namespace)
    known = await client.temporal.operator_service.list_search_attributes(request)
    missing = sorted(set(TYPES) - set(known.custom_attributes))
    if not missing:
        return Finding("search attributes", "ok", ", ".join(TYPES))
    commands = [f"temporal operator search-attribute create --name {name} --type {TYPES[name]}" for name in missing]
    return Finding("search attributes", "warn", f"missing: {', '.join(missing)}", "; ".join(commands))


async def _workers(client: Client) -> Finding:
    pollers = await client.pollers()
    if pollers:
        return Finding("workers", "ok", f"{client.task_queue!r} is polled by {', '.join(pollers)}")
    advice = f"dspex worker --import yourmodule --task-queue {client.task_queue}"
    return Finding("workers", "warn", f"none has polled {client.task_queue!r} lately", advice)


def _disk(deployment: Deployment, state: Path | None) -> Finding:
    folders = {_existing(DevOptions(state=state).folder())}
    try:
        file = deployment.open_store().file
    except DSPyError:
        file = None  # reported by the check of the store
    if file is not None:
        folders.add(_existing(file))
    free = min(shutil.disk_usage(folder).free for folder in folders)
    shown = f"{free / 1024**3:.1f} GiB free"
    if free >= _LEAST_FREE_BYTES:
        return Finding("disk", "ok", shown)
    return Finding("disk", "warn", shown, f"Make room under {', '.join(map(str, sorted(folders)))}.")


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def _print(findings: list[Finding]) -> None:
    widest = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{finding.verdict:4}  {finding.name:{widest}}  {finding.found}")
        if finding.verdict != "ok" and finding.advice:
            print(f"{'':4}  {'':{widest}}  {finding.advice}")
    sys.stdout.flush()
