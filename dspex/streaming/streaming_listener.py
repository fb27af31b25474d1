"""`StreamListener`: picks one output field of one predictor out of the stream of an LM's answer."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dspex.errors import UsageError
from dspex.settings import settings
from dspex.streaming.field_scanner import FieldScanner, HeadingScanner, JSONScanner, TagScanner
from dspex.streaming.messages import StreamResponse


class StreamListener:
    """Receives one output field as it is written.

    Its pieces, put together, are the field's text as the adapter parses it, however the provider cuts the answer; for
    `JSONAdapter` that is the value's JSON (a string comes with its quotes), for `XMLAdapter` its XML. Pieces are the
    provider's own, held back only as long as they may belong to what surrounds the field. An answer that comes in one
    piece was not streamed: its fields are in the final prediction alone.

    Args:
        signature_field_name: The output field.
        predict: The predictor, if more than one of the program has such a field.
        predict_name: The predictor by its name in the program, which is another way to tell which.
        allow_reuse: Receive every call of the predictor in a run. Otherwise the first one only.

    Source: DSPy's class of this name.
    """

    def __init__(
        self,
        signature_field_name: str,
        predict: Any = None,
        predict_name: str | None = None,
        allow_reuse: bool = False,
    ) -> None:
        self.signature_field_name = signature_field_name
        self.predict = predict
        self.predict_name = predict_name
        self.allow_reuse = allow_reuse
        self.stream_start = False
        """Whether the field was met."""
        self.stream_end = False
        """Whether it is over."""
        self.cache_hit = False
        """Whether its answer came in one piece, as from a cache."""
        self._scanner: FieldScanner | None = None
        self._pieces = 0
        self._value_begun = False
        self._held_space = ""

    def fresh(self) -> StreamListener:
        """A listener like this one that has heard nothing: each run of a program gets one of its own."""
        return type(self)(self.signature_field_name, self.predict, self.predict_name, self.allow_reuse)

    def receive(self, chunk: Any) -> StreamResponse | None:
        """Return what `chunk` (one of an LM's, in OpenAI's shape) adds to the field, if anything."""
        if self.stream_end:
            if not self.allow_reuse:
                return None
            self._reset()
        if (value := self._native_value(chunk)) is not None:
            return self._response(value)
        text = _content(chunk)
        if not text:
            return None
        if self._scanner is None:
            self._scanner = _scanner_for(settings.adapter, self.signature_field_name)
        return self._read(self._scanner, text)

    def flush(self) -> str:
        """Take what is held back."""
        scanner = self._scanner
        if scanner is None:
            return ""
        held, scanner.buffer = scanner.buffer, ""
        return held

    def finalize(self) -> StreamResponse | None:
        """The rest of a field that nothing marked the end of, when its answer is over."""
        scanner = self._scanner
        if self.stream_end or scanner is None or not scanner.started:
            return None
        if self._pieces == 1:
            self.cache_hit = self.stream_start = self.stream_end = True
            return None
        self.stream_end = True
        rest = self.flush()
        text = rest if scanner.keeps_space else self._without_outer_space(rest)
        return self._response(text) if text.strip() else None

    def answer_ended(self) -> StreamResponse | None:
        """`finalize`, after which another answer may begin."""
        rest = self.finalize()
        if not self.stream_end:
            self._reset()
        return rest

    def _reset(self) -> None:
        self.stream_start = self.stream_end = self.cache_hit = False
        self._scanner, self._pieces = None, 0
        self._value_begun, self._held_space = False, ""

    def _read(self, scanner: FieldScanner, text: str) -> StreamResponse | None:
        begins_here = scanner.feed(text)
        self._pieces += 1
        if not scanner.started or self._pieces == 1:
            return None
        self.stream_start = True
        self.stream_end = scanner.ended
        if not scanner.ended and (begins_here or scanner.may_be_ending()):
            return None
        ready = self.flush()
        piece = ready if scanner.keeps_space else self._without_outer_space(ready)
        return self._response(piece) if piece or self.stream_end else None

    def _without_outer_space(self, text: str) -> str:
        """`text` without the space that begins the field, and with that held back which may end it."""
        if not self._value_begun:
            text = text.lstrip()
        solid = text.rstrip()
        if not solid:
            self._held_space += text
            return ""
        piece = self._held_space + solid
        self._value_begun, self._held_space = True, text[len(solid) :]
        return piece

    def _response(self, piece: Any) -> StreamResponse:
        return StreamResponse(self.predict_name, self.signature_field_name, piece, is_last_chunk=self.stream_end)

    def _native_value(self, chunk: Any) -> Any:
        """What `chunk` holds for a field whose type the provider streams beside the text (citations, reasoning)."""
        type_ = self._output_type
        if not inspect.isclass(type_) or not getattr(type_, "is_streamable", bool)():
            return None
        return type_.parse_stream_chunk(chunk) or None  # type: ignore[attr-defined]

    @property
    def _output_type(self) -> Any:
        fields = getattr(getattr(self.predict, "signature", None), "output_fields", {})
        field = fields.get(self.signature_field_name)
        return field.annotation if field is not None else None


def find_predictor_for_stream_listeners(
    program: Any, stream_listeners: Sequence[StreamListener]
) -> dict[int, list[StreamListener]]:
    """Find the predictor that each listener listens to, and set the listener's predictor and its name.

    Args:
        program: The program that is about to run.
        stream_listeners: The listeners, each for a field.

    Returns:
        The listeners of each predictor, by the predictor's `id`.

    Raises:
        UsageError: no predictor has the field, or several have it and the listener does not say which (a ValueError).
    """
    predictors: list[tuple[str, Any]] = program.named_predictors()
    found: dict[int, list[StreamListener]] = defaultdict(list)
    for listener in stream_listeners:
        name, predictor = _predictor_of(listener, predictors)
        if listener.predict is None or listener.predict_name is None:
            listener.predict_name = name
        listener.predict = predictor
        found[id(predictor)].append(listener)
    return found


def _predictor_of(listener: StreamListener, predictors: list[tuple[str, Any]]) -> tuple[str | None, Any]:
    field, asked = listener.signature_field_name, listener.predict
    if asked is not None and hasattr(asked, "signature"):
        return next((name for name, predictor in predictors if predictor is asked), None), asked
    if asked is not None:  # a module around the predictor, such as a ChainOfThought
        inner = {id(predictor) for predictor in asked.predictors()}
        predictors = [(name, predictor) for name, predictor in predictors if id(predictor) in inner]
    candidates = [(name, one) for name, one in predictors if field in one.signature.output_fields]
    if asked is None and listener.predict_name is not None and len(candidates) != 1:
        candidates = [(name, one) for name, one in candidates if name == listener.predict_name]
    if not candidates:
        known = "; ".join(f"{name}: {', '.join(one.signature.output_fields)}" for name, one in predictors)
        raise UsageError(
            f"Signature field {field} is not a field of any predictor in the program, cannot automatically determine "
            "which predictor to use for streaming. Please verify your field name or specify the predictor to listen "
            f"to. Output fields by predictor: {known or 'there is no predictor'}."
        )
    if len(candidates) > 1:
        raise UsageError(
            f"Signature field {field} is not unique in the program, cannot automatically determine which predictor to "
            "use for streaming. Please specify the predictor to listen to: StreamListener(..., predict=...), or "
            f"predict_name= one of {', '.join(name for name, _ in candidates)}."
        )
    return candidates[0]


def _content(chunk: Any) -> str | None:
    """The text that `chunk` adds to the answer. Of several answers (``n``) only the first is listened to."""
    try:
        choice = chunk.choices[0]
        text = choice.delta.content
    except (AttributeError, IndexError, TypeError):
        return None
    return text if isinstance(text, str) and getattr(choice, "index", None) in (0, None) else None


def _scanner_for(adapter: Any, field: str) -> FieldScanner:
    """How the configured adapter marks the field in an answer.

    Raises:
        UsageError: it marks it in a way that is not known here (a ValueError).
    """
    if adapter is None:
        return HeadingScanner(field)
    from dspex.adapters.chat_adapter import ChatAdapter  # not loaded until a program streams
    from dspex.adapters.json_adapter import JSONAdapter
    from dspex.adapters.xml_adapter import XMLAdapter

    for class_, scanner in ((XMLAdapter, TagScanner), (JSONAdapter, JSONScanner), (ChatAdapter, HeadingScanner)):
        if isinstance(adapter, class_):
            return scanner(field)
    raise UsageError(
        f"Unsupported adapter for streaming: {type(adapter).__name__}, please use one of the following adapters: "
        "ChatAdapter, XMLAdapter, JSONAdapter."
    )
