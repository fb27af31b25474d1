"""Writing an instruction from examples: for each label, the words that its examples use and the others' do not."""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from dspex_practice.model.reading.example_extraction import LabeledText
from dspex_practice.model.reading.label_rules import spoken
from dspex_practice.model.reading.text import carries_meaning, stem, words

_WANTED = re.compile(
    r"(?:proposed|new|improved|better|revised|optimi[sz]ed|shortened|induced|natural_language)_\w*"
    r"(?:instructions?|prompts?|rules?|prefix\w*)|instructions?|rules|observations|\w*advice",
)
_RULE = re.compile(r"Words such as (.+?) mean `?([\w-]+)`?\.")
_QUOTED = re.compile(r'"([^"\n]{1,60})"')
_FENCED = re.compile(r"```(?:\w*\n)?(.*?)```", re.DOTALL)
_MOST_WORDS = 12
_LONGEST_BASE = 600


def asks_for_instruction(field: str, inputs: Collection[str]) -> bool:
    """Whether an output field of this name asks for an instruction or for observations to write one from."""
    return _WANTED.fullmatch(field) is not None or (field == "summary" and "observations" in inputs)


def asks_freely(prompt: str) -> bool:
    """Whether a prompt without fields asks for a new instruction."""
    return re.search(r"(?:write|propose|provide) (?:a |the )?(?:new|improved) instruction", prompt) is not None


class InstructionWriter:
    """Writes instructions from labelled texts.

    Args:
        examples: The texts and their labels.
        chance: Varies how much of it goes into an instruction; None for the same instruction each time.
    """

    def __init__(self, examples: Sequence[LabeledText], chance: random.Random | None) -> None:
        self._examples = examples
        self._chance = chance

    def write(self, field: str, inputs: Mapping[str, str]) -> str:
        """An instruction for the output field `field`, also from the rules that the `inputs` already hold."""
        if "prefix" in field:
            return "Answer:"
        chance = self._chance
        rules = _known_rules("\n".join(inputs.values()))
        for label, typical in _typical_words(self._examples).items():
            rules[label] = list(dict.fromkeys([*rules.get(label, ()), *typical]))
        most = chance.randint(_MOST_WORDS // 2, _MOST_WORDS) if chance is not None else _MOST_WORDS
        lines = [_rule(label, typical[:most]) for label, typical in sorted(rules.items()) if typical]
        return "\n".join([_base(inputs, chance), *lines])

    def write_freely(self, prompt: str) -> str:
        """The answer to a reflection prompt that names no fields: the new instruction within a fence."""
        return f"```\n{self.write('new_instruction', {'instruction': _first_fence(prompt), '': prompt})}\n```"


def _rule(label: str, typical: Sequence[str]) -> str:
    return f"Words such as {', '.join(f'{chr(34)}{word}{chr(34)}' for word in typical)} mean {label}."


def _known_rules(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for typical, label in _RULE.findall(text):
        found[label] = list(dict.fromkeys([*found.get(label, ()), *_QUOTED.findall(typical)]))
    return found


def _typical_words(examples: Sequence[LabeledText]) -> dict[str, list[str]]:
    """For each label the words and pairs that its examples use and the others' do not, best first."""
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    surface: dict[str, str] = {}
    for example in examples:
        for term, written in dict(_terms(example.text)).items():
            shown[example.label][term] += 1
            surface.setdefault(term, written)
    spread = Counter(term for counts in shown.values() for term in counts)
    total = Counter(term for counts in shown.values() for term in counts.elements())
    found = {}
    for label, counts in shown.items():
        own = set(map(stem, words(spoken(label))))
        ranked = sorted(
            (-(count / total[term]) * math.log(1 + count) * math.log((len(shown) + 1) / (spread[term] + 0.5)), term)
            for term, count in counts.items()
            if term not in own and (count > 1 or " " not in term) and not term.isdigit()
        )
        found[label] = [surface[term] for _, term in ranked[: 3 + 2 * max(counts.values())]]
    return found


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """(stem, as written) for the words of `text` that carry meaning, and for pairs of them."""
    before = ("", "")
    for word in words(text):
        now = (stem(word), word) if carries_meaning(word) else ("", "")
        if now[0]:
            yield now
            if before[0]:
                yield f"{before[0]} {now[0]}", f"{before[1]} {now[1]}"
        before = now


def _base(inputs: Mapping[str, str], chance: random.Random | None) -> str:
    """The instruction to build on, without its rules, which are rewritten."""
    known = [value for name, value in inputs.items() if "instruction" in name and "previous" not in name]
    base = _RULE.sub("", known[0]).strip() if known else ""
    base = "\n".join(line.strip() for line in base.splitlines() if line.strip())[:_LONGEST_BASE]
    opening = base or "Choose the answer that fits the input best."
    manner = ("", "Read the whole input first. ", "Decide by the words that tell the answers apart. ", "Be exact. ")
    chosen = chance.choice(manner) if chance is not None else ""
    return opening if not chosen or chosen.strip() in opening else f"{chosen}{opening}"


def _first_fence(text: str) -> str:
    found = _FENCED.search(text)
    return found[1].strip() if found else ""
