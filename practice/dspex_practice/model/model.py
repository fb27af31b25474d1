"""The model that every endpoint asks: the learner, with tools, thinking, limits, and what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dspex_practice.model.errors import Reason, RefusedError
from dspex_practice.model.in_context_learner import NAME, Learner
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.request import ModelRequest
from dspex_practice.model.response import Finish, ModelReply, limited, stopped
from dspex_practice.model.structured import unwrapped, wrapped
from dspex_practice.model.thinking import think
from dspex_practice.model.tools import ToolInvocation

_MALFORMED = "I am the practice model and was told to get the format wrong: "


class Model:
    """Answers requests of any format. `models` are the only names it answers to; empty for any."""

    def __init__(self, models: Sequence[str] = (), context: int | None = None) -> None:
        self._learner = Learner()
        self._models = tuple(models)
        self._context = context
        self._trained: dict[str, tuple[Turn, ...]] = {}

    def learn(self, model: str, examples: Sequence[Turn]) -> None:
        """Answer to `model` too, as if `examples` (user and assistant in turn) stood in each of its prompts."""
        self._trained[model] = tuple(examples)

    @property
    def models(self) -> list[str]:
        """The names that the model answers to, fine-tuned ones last."""
        return [*(self._models or [NAME]), *self._trained]

    def check(self, model: str, prompt_tokens: int) -> None:
        """Whether a request can be answered.

        Raises:
            RefusedError: if there is no such model, or the prompt is longer than its context.
        """
        if (self._models and model not in self.models) or (model.startswith("ft:") and model not in self._trained):
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise RefusedError(Reason.NO_MODEL, message, param="model")
        if self._context is not None and prompt_tokens > self._context:
            message = (
                f"prompt is too long: this model's maximum context length is {self._context} tokens. "
                f"However, your messages resulted in {prompt_tokens} tokens > {self._context} maximum."
            )
            raise RefusedError(Reason.TOO_LONG, message, param="messages")

    def replies(self, request: ModelRequest, *, malformed: bool = False) -> list[ModelReply]:
        """Answer a request.

        Args:
            request: What to answer; `request.question.n` is the number of answers.
            malformed: Get the format of the answers wrong on purpose.
        """
        question, inside = wrapped(request.question)
        turns = question.turns
        calls = request.tools.calls(turns) if request.tools.tools else ()
        if calls:
            replies = [ModelReply("", Finish.CALLS, calls=calls)] * question.n
        else:
            if trained := self._trained.get(request.model):
                question = replace(question, turns=_after_head(turns, trained))
            texts = self._learner.answers(question)
            replies = [ModelReply(unwrapped(text) if inside else text) for text in texts]
        if malformed:
            replies = [_malformed(reply) for reply in replies]
        if request.thinks:
            replies = [replace(reply, thinking=think(turns, reply.text)) for reply in replies]
        return [limited(stopped(reply, request.stop), request.max_tokens) for reply in replies]


def _after_head(turns: Sequence[Turn], examples: Sequence[Turn]) -> list[Turn]:
    head = [turn for turn in turns if turn.role == "system"]
    return [*head, *examples, *(turn for turn in turns if turn.role != "system")]


def _malformed(reply: ModelReply) -> ModelReply:
    if reply.calls:
        return replace(reply, calls=tuple(ToolInvocation(call.name, {"malformed": True}) for call in reply.calls))
    return ModelReply(_MALFORMED + reply.text[len(reply.text) // 2 :].replace("[[", "").replace("{", ""))
