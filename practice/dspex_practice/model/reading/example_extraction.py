"""Finding labelled examples inside the text of a prompt that asks for an instruction.

Optimizers show examples as JSON records, as Python reprs of `Example`, as ``key: value`` lines or as Markdown
sections. All are brought to flat records; the field with few, short, repeated values is taken for the label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.model.reading.schema import read_literal
from dspex_practice.model.reading.text import carries_meaning

Record = dict[str, str]

_REPR = re.compile(r"Example\((\{.*?\})\) \(input_keys=", re.DOTALL)
_LINE = re.compile(r"^\s*[-*]?\s*([A-Za-z][\w ]{0,30}?):[ \t]*(\S.*)$")
_HEADING = re.compile(r"^#{1,6} (.+)$")
_NEW_RECORD = re.compile(r"(?:example|item)s? ?\d*", re.IGNORECASE)
_JUDGEMENT = re.compile(r"feedback|score|reward|metric|correct|critique", re.IGNORECASE)
_TALK = re.compile(r"reason|rationale|thought|explanation|trajectory", re.IGNORECASE)
_REFUSED = re.compile(r"\b(?:incorrect|wrong|not correct|mismatch|0(?:\.0+)?/|false)\b", re.IGNORECASE)
_NAMED = re.compile(r"[`'\"]([^`'\"\n]{1,60})[`'\"]|\b([a-z0-9]+(?:_[a-z0-9]+)+)\b")
_TRUTH = re.compile(
    r"\b(?:correct|expected|right|true|gold)\b[^.:\n]{0,40}?(?: is| was| be|:|=) *[`'\"]?([\w-]+)", re.IGNORECASE
)
_LONGEST_LABEL = 60
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class LabeledText:
    """A text and the label that it was shown with."""

    text: str
    label: str


def read_labeled_texts(inputs: Mapping[str, str]) -> list[LabeledText]:
    """The labelled examples in `inputs`, in the order shown, without repetitions."""
    found: dict[LabeledText, None] = {}
    for value in inputs.values():
        for example in _labelled(_records(value)):
            found[example] = None
    return list(found)


def _records(text: str) -> list[Record]:
    for read in (_json_records, _repr_records, _section_records, _line_records):
        records = [record for record in read(text) if len(record) > 1]
        if records:
            return records
    return []


def _labelled(records: Sequence[Record]) -> Iterator[LabeledText]:
    label_key = _label_key(records)
    if label_key is None:
        return
    labels = {record[label_key] for record in records if label_key in record}
    for record in records:
        label = _true_label(record, label_key, labels)
        texts = [
            value
            for key, value in record.items()
            if key != label_key and not _JUDGEMENT.search(key) and not _TALK.search(key)
        ]
        if label and texts:
            yield LabeledText("\n".join(texts), label)


def _label_key(records: Sequence[Record]) -> str | None:
    """The key whose values are short and fewest, of those shown last among equals."""
    values: dict[str, list[str]] = {}
    for record in records:
        for key, value in record.items():
            if not _JUDGEMENT.search(key) and not _TALK.search(key):
                values.setdefault(key, []).append(value)
    short = [
        (len(set(shown)) / len(shown), sum(len(value.split()) for value in shown) / len(shown), -place, key)
        for place, (key, shown) in enumerate(values.items())
        if 2 * len(shown) >= len(records) and max(map(len, shown)) <= _LONGEST_LABEL
    ]
    return min(short)[-1] if short and len(values) > 1 else None


def _true_label(record: Record, label_key: str, labels: set[str]) -> str:
    """The label of `record`: what feedback names instead of the answer given, else the answer unless it is refused."""
    given = record.get(label_key, "")
    feedback = " ".join(value for key, value in record.items() if _JUDGEMENT.search(key))
    if not feedback:
        return given
    said: list[str] = [name for name in _TRUTH.findall(feedback) if carries_meaning(name.lower())]
    named: list[str] = [quoted or bare for quoted, bare in _NAMED.findall(feedback)]
    named += [label for label in labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", feedback)]
    others = [name for name in said + named if name != given and (name in said or "_" in name or name in labels)]
    if others:
        return Counter(others).most_common(1)[0][0]
    return "" if _REFUSED.search(feedback) else given


def _json_records(text: str) -> Iterator[Record]:
    start = min((i for i in (text.find("["), text.find("{")) if i >= 0), default=-1)
    if start < 0:
        return
    try:
        found = orjson.loads(text[start : max(text.rfind("]"), text.rfind("}")) + 1])
    except orjson.JSONDecodeError:
        return
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, dict):
            yield _flat(item)


def _repr_records(text: str) -> Iterator[Record]:
    for written in _REPR.findall(text):
        try:
            found = read_literal(written)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield _flat(found)


def _section_records(text: str) -> Iterator[Record]:
    """Records under Markdown headings, a heading a key."""
    record: Record = {}
    key = ""
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            key = heading[1].strip()
            if _NEW_RECORD.fullmatch(key) or key in record:
                yield record
                record = {}
        elif key and line.strip():
            record[key] = f"{record[key]}\n{line.strip()}" if key in record else line.strip()
    yield record


def _line_records(text: str) -> Iterator[Record]:
    """Records of ``key: value`` lines; a key seen before starts the next."""
    record: Record = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            key = match[1].strip().lower()
            if key in record:
                yield record
                record = {}
            record[key] = match[2].strip()
    yield record


def _flat(record: Mapping[str, Any], depth: int = 0) -> Record:
    """`record` with the fields of its parts brought up, all as text."""
    found: Record = {}
    for key, value in record.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            found.update(_flat(value, depth + 1))
        elif value is not None:
            found[str(key)] = str(value)
    return found
