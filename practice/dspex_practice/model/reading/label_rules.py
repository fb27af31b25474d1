"""What an instruction says about labels: words such as "refund" mean billing. `InstructionWriter` writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dspex_practice.model.reading.text import Features, carries_meaning, features, words

_CLAUSE = re.compile(r"[;\n]|[.!?](?=\s|$)")
_QUOTED = re.compile(r"[\"“]([^\"”\n]{1,60})[\"”]")
_IDENTIFIER = re.compile(r"(?<![\w`/.])([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?![\w`/(])")
_MEANS = re.compile(r"[\"”] means? `?([\w-]+)`?")
_QUOTED_WEIGHT = 1.0
_LOOSE_WEIGHT = 0.4


def spoken(label: str) -> str:
    """`label` as words: "lost_card" and "lostCard" are "lost card"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-/.]+", " ", label).strip()


def labels_named(instruction: str, fields: Sequence[str]) -> list[str]:
    """Labels that an instruction names without a list of them: words like `lost_card`, and what quoted words "mean"."""
    named = dict.fromkeys([*_IDENTIFIER.findall(instruction), *_MEANS.findall(instruction)])
    return [label for label in named if label not in fields]


def rules(instruction: str, labels: Sequence[str]) -> list[Features]:
    """For each label, the features that the instruction ties to it.

    A clause speaks of a label if it names that one alone. What it quotes counts fully, its other words less.
    """
    found: list[Features] = [{} for _ in labels]
    names = [(label.lower(), i) for i, label in enumerate(labels) if len(label) > 1]
    names.sort(key=lambda pair: -len(pair[0]))
    for clause in _CLAUSE.split(instruction):
        about, rest = _subject(clause, names)
        if about is not None:
            _add(found[about], rest)
    return found


def _subject(clause: str, names: Sequence[tuple[str, int]]) -> tuple[int | None, str]:
    """The one label that `clause` names (None if it names none or several) and the clause without it."""
    rest = clause.lower()
    about: int | None = None
    for name, i in names:
        if name not in rest:
            continue
        without = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", rest)
        if without == rest:
            continue
        if about is not None:
            return None, rest
        about, rest = i, without
    return about, rest


def _add(profile: Features, clause: str) -> None:
    for phrase in _QUOTED.findall(clause):
        _raise(profile, phrase, _QUOTED_WEIGHT)
    loose = [word for word in words(_QUOTED.sub(" ", clause)) if carries_meaning(word)]
    _raise(profile, " ".join(loose), _LOOSE_WEIGHT)


def _raise(profile: Features, text: str, weight: float) -> None:
    for feature, value in features(text).items():
        profile[feature] = max(profile.get(feature, 0.0), weight * value)
