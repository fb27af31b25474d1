"""Tools on offer: whether to call one, and which, decided by what the question has in common with their descriptions.

A question of several clauses may call several tools. Once tools have been called for a question it is answered, unless
a call is demanded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import orjson

from dspex_practice.model.arguments import arguments
from dspex_practice.model.label_voting import SimilarityIndex
from dspex_practice.model.reading.label_rules import spoken
from dspex_practice.model.reading.prompt import Turn, read_inputs, read_task, sort_turns
from dspex_practice.model.reading.schema import Schema
from dspex_practice.model.reading.text import Features, features

_ABOUT = 0.1
"""How much a question must have in common with a tool for the tool to be called."""
_CLAUSE = re.compile(r"(?<=[.?!;])\s+|\n+|,?\s+(?:and|then)\s+(?=\w)")


class ToolDemand(Enum):
    """What the request says about calling."""

    FREE = "free"
    NONE = "none"
    SOME = "some"


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that the request offers. `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True, slots=True)
class ToolInvocation:
    """A call of a tool, as the answer makes it."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def written(self) -> str:
        """The arguments as JSON."""
        return orjson.dumps(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a request. `allowed` are the names that may be called; empty for all."""

    tools: tuple[OfferedTool, ...] = ()
    demand: ToolDemand = ToolDemand.FREE
    allowed: tuple[str, ...] = ()
    parallel: bool = True

    def calls(self, turns: Sequence[Turn]) -> tuple[ToolInvocation, ...]:
        """The calls to make now."""
        tools = [tool for tool in self.tools if not self.allowed or tool.name in self.allowed]
        prompt = sort_turns(turns)
        if not tools or self.demand is ToolDemand.NONE or (prompt.found and self.demand is ToolDemand.FREE):
            return ()
        task = read_task(prompt.head or prompt.question)
        query = "\n".join(read_inputs(prompt.question, task).values())
        least = _ABOUT if self.demand is ToolDemand.FREE else 0.0
        if (whole := _nearest(tools, query, least)) is None:
            return ()
        chosen = _each_clause(tools, query) if self.parallel else []
        if len(chosen) < 2:
            chosen = [(whole, query)]
        calls = [ToolInvocation(tool.name, arguments(tool.parameters, text)) for tool, text in chosen]
        return tuple({(call.name, call.written): call for call in calls}.values())


def _each_clause(tools: Sequence[OfferedTool], query: str) -> Sequence[tuple[OfferedTool, str]]:
    """The tools that clauses of `query` are about, each with its part of `query`: up to the next one's."""
    ends = [match.start() for match in _CLAUSE.finditer(query)] + [len(query)]
    found: list[tuple[OfferedTool, int]] = []
    for start, end in zip([0, *ends], ends, strict=False):
        clause = query[start:end]
        tool = _nearest(tools, clause, _ABOUT) if clause.strip() else None
        if tool is not None:
            found.append((tool, start))
    nexts = [start for _, start in found[1:]] + [len(query)]
    return [(tool, query[start:end]) for (tool, start), end in zip(found, nexts, strict=False)]


def _nearest(tools: Sequence[OfferedTool], query: str, least: float) -> OfferedTool | None:
    near = _index(tuple(map(_described, tools))).similarities(_plain(query))
    best = max(range(len(near)), key=near.__getitem__)
    return tools[best] if near[best] >= least else None


def _described(tool: OfferedTool) -> str:
    properties = tool.parameters.get("properties")
    named = properties.items() if isinstance(properties, Mapping) else ()
    parts = [f"{spoken(str(name))} {part.get('description', '')}" for name, part in named if isinstance(part, Mapping)]
    return "\n".join([spoken(tool.name), tool.description, *parts])


@lru_cache(maxsize=128)
def _index(descriptions: tuple[str, ...]) -> SimilarityIndex:
    return SimilarityIndex([_plain(description) for description in descriptions])


def _plain(text: str) -> Features:
    """Whole words and senses of `text`: letter triples would find any two texts alike."""
    return {feature: value for feature, value in features(text).items() if not feature.startswith("#") and value > 0.2}
