"""Lists, a page at a time, as the providers page them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dspex_practice.model.errors import BadRequestError

Items = Sequence[Mapping[str, Any]]


def openai_page(items: Items, query: Mapping[str, str], most: int = 20) -> dict[str, Any]:
    """``limit`` items ``after`` one; `most`, if there is no limit. Anthropic's are the same with ``after_id``."""
    start = _after(items, query.get("after") or query.get("after_id"))
    shown = list(items[start : start + _limit(query.get("limit"), most)])
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return {"object": "list", "data": shown, "has_more": start + len(shown) < len(items), **ends}


def gemini_page(items: Items, query: Mapping[str, str], name: str) -> dict[str, Any]:
    """``pageSize`` items under `name`, and a token for the next page, if there is one."""
    token = query.get("pageToken") or query.get("page_token") or "0"
    start = int(token) if token.isdigit() else 0
    end = start + _limit(query.get("pageSize") or query.get("page_size"), 50)
    more = {"nextPageToken": str(end)} if end < len(items) else {}
    return {name: list(items[start:end]), **more}


def _after(items: Items, last: str | None) -> int:
    if not last:
        return 0
    return next((i + 1 for i, item in enumerate(items) if item["id"] == last), len(items))


def _limit(given: str | None, most: int) -> int:
    if given is None:
        return most
    if not given.isdigit() or int(given) < 1:
        raise BadRequestError("limit must be a whole number of at least 1.", "limit")
    return int(given)
