"""Stand-ins for tests of users' own programs: a language model that answers from a script, and a retriever.

Names, scripts and answers are DSPy's (``dspy.utils.dummies``).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.adapters import ChatAdapter
from dspex.adapters.chat_adapter import FieldInfoWithName
from dspex.clients.base_lm import BaseLM
from dspex.clients.canonical.answer import Answer
from dspex.dotdict import dotdict
from dspex.signatures import OutputField

if TYPE_CHECKING:
    import numpy as np

_NO_MORE = "No more responses"
_HEADING = re.compile(r"\[\[ ## (\w+) ## \]\]")


class DummyLM(BaseLM):
    """A language model that answers from a script, in the format of an adapter, at once and without a network.

    Args:
        answers: A list of dicts of output fields: one a call, in order, and after the last one
            ``answer: No more responses``. Or a dict from a text to such a dict: the answer is that of the first text
            which the last message contains.
        follow_examples: Answer with the output of the demo whose input is the question's.
        reasoning: Whether each answer comes with reasoning, ``"Some reasoning"``.
        adapter: Whose format to answer in, `ChatAdapter`'s by default.

    Answers are never cached: the same question gets the next answer of the list.
    """

    def __init__(
        self,
        answers: Iterable[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]],
        follow_examples: bool = False,
        reasoning: bool = False,
        adapter: Any = None,
    ) -> None:
        super().__init__("dummy", "chat", 0.0, 1000, True)
        self.answers: Any = iter(answers) if isinstance(answers, list) else answers
        self.follow_examples = follow_examples
        self.reasoning = reasoning
        self.adapter: Any = adapter if adapter is not None else ChatAdapter()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass with a call of its own may block or wait, which a script does not."""
        super().__init_subclass__(**kwargs)
        own = {"forward", "aforward", "acall", "__call__"} & vars(cls).keys()
        if own:
            cls.in_memory = vars(cls).get("in_memory", False)
            cls.blocking = vars(cls).get("blocking", "forward" in own or cls.blocking)

    blocking = False
    in_memory = True

    def forward(self, prompt: Any = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """Return the next answer, in OpenAI's shape.

        Args:
            prompt: One question; or the messages.
            messages: The messages, in OpenAI's form.
            **kwargs: Request parameters, of which `n`, the number of answers, is heeded.
        """
        if messages is None:
            messages = list(prompt) if isinstance(prompt, list | tuple) else [{"role": "user", "content": prompt}]
        count = kwargs.get("n") or self.kwargs.get("n") or 1
        usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
        details = {"prompt_tokens_details": None, "completion_tokens_details": None}
        choices = [self._choice(index, messages) for index in range(count)]
        return Answer(model="dummy", choices=choices, usage={**usage, **details}, cache_hit=False)

    async def aforward(self, prompt: Any = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """`forward`, for asynchronous code."""
        if self.blocking:
            return await super().aforward(prompt, messages, **kwargs)
        return self.forward(prompt, messages, **kwargs)

    def get_convo(self, index: int) -> tuple[list[dict[str, Any]], list[Any]]:
        """Return the messages and the outputs of call `index`."""
        return self.history[index]["messages"], self.history[index]["outputs"]

    def _choice(self, index: int, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        reasoning = "Some reasoning" if self.reasoning else None
        message = {"content": self._say(messages), "tool_calls": None, "reasoning_content": reasoning}
        return {"index": index, "finish_reason": "stop", "message": message, "logprobs": None}

    def _say(self, messages: Sequence[Mapping[str, Any]]) -> str:
        if self.follow_examples:
            return self._use_example(messages) or ""
        if isinstance(self.answers, Mapping):
            asked = _text(messages[-1])
            return next(
                (self._format_answer_fields(say) for key, say in self.answers.items() if key in asked), _NO_MORE
            )
        return self._format_answer_fields(next(self.answers, {"answer": _NO_MORE}))

    def _use_example(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """The answer of the latest demo that asks what the last message asks."""
        texts = [_text(message) for message in messages]
        headings = Counter(found[0] for text in texts if (found := _HEADING.match(text)))
        most = max(headings.values(), default=0)
        outputs = [heading for heading, count in headings.items() if count != most]
        question = texts[-1].split("\n\n")[0]
        for asked, answered in zip(reversed(texts[:-1]), reversed(texts), strict=False):
            if question in asked and any(heading in answered for heading in outputs):
                return answered
        return None

    def _format_answer_fields(self, field_names_and_values: Mapping[str, Any]) -> str:
        fields = {FieldInfoWithName(name, OutputField()): value for name, value in field_names_and_values.items()}
        try:
            return str(self.adapter.format_field_with_value(fields, role="assistant"))
        except TypeError:  # most adapters write inputs and outputs alike, and take no role
            return str(self.adapter.format_field_with_value(fields))


def dummy_rm(passages: Sequence[str] = ()) -> Callable[..., list[Any]]:
    """Make a retriever over `passages`: ``retrieve(query, k=3)`` returns those most alike, objects with `long_text`."""
    if not passages:

        def nothing(query: str, *, k: int, **kwargs: Any) -> list[Any]:
            raise ValueError("No passages defined")

        return nothing
    vectorizer = DummyVectorizer(max(map(len, passages)) + 100)
    vectors = vectorizer(passages)

    def retrieve(query: str, *, k: int, **kwargs: Any) -> list[Any]:
        assert k <= len(passages), f"There are {len(passages)} passages, fewer than k={k}"
        likeness = vectors @ vectorizer([query])[0]
        return [dotdict(long_text=passages[index]) for index in (-likeness).argsort()[:k]]

    return retrieve


class DummyVectorizer:
    """Turns texts into unit vectors by hashing their n-grams: alike texts get alike vectors, those of DSPy."""

    def __init__(self, max_length: int = 100, n_gram: int = 2) -> None:
        """Set up the hash of words.

        Args:
            max_length: The number of dimensions of the vectors.
            n_gram: How many characters are hashed together.
        """
        self.max_length = max_length
        self.n_gram = n_gram
        self.P = 10**9 + 7
        draw = random.Random(123)
        self.coeffs = [draw.randrange(1, self.P) for _ in range(n_gram)]

    def __call__(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the vectors of `texts`: an array of (texts, dimensions)."""
        import numpy as np

        counts = np.zeros((len(texts), self.max_length), dtype=np.float32)
        for row, text in zip(counts, texts, strict=True):
            for start in range(len(text) - self.n_gram + 1):
                row[self._hash(text[start : start + self.n_gram])] += 1
        counts -= counts.mean(axis=1, keepdims=True)
        counts /= np.linalg.norm(counts, axis=1, keepdims=True) + 1e-10  # a text without n-grams has no length
        return counts

    def _hash(self, gram: str) -> int:
        """The place of an n-gram: its value as a polynomial, modulo a prime."""
        value = 1
        for coefficient, character in zip(self.coeffs, gram, strict=True):
            value = (value * coefficient + ord(character)) % self.P
        return value % self.max_length


def _text(message: Mapping[str, Any]) -> str:
    """What a message says in words."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
