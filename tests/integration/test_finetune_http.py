"""`LM.finetune` over real HTTP against the practice model, whose trained models use the training file's examples."""

from __future__ import annotations

from typing import Any

import pytest

import dspex
from dspex.clients.utils_finetune import TrainDataFormat, TrainingStatus
from dspex.errors import LMAuthError, UsageError
from dspex.store import Store
from dspex_practice import PracticeOptions, PracticeServer

pytestmark = pytest.mark.integration

INTENTS = {
    "card_lost": ["I lost my card", "my card is gone", "cannot find my card", "card went missing", "card is lost"],
    "rates": ["what are your rates", "which exchange rate", "how good is the rate", "rate for euros", "rates today"],
}
KEY = "sk-practice-0451"


def rows(signature: Any) -> list[dict[str, Any]]:
    """Training data as the adapter writes prompts, from examples of both intents."""
    adapter = dspex.ChatAdapter()
    made = []
    for intent, texts in INTENTS.items():
        for text in texts:
            messages = adapter.format(signature, [], {"text": text})
            answer = adapter.format_assistant_message_content(signature, {"intent": intent})
            made.append({"messages": [*messages, {"role": "assistant", "content": answer}]})
    return made


def test_trained_model_answers_from_its_training_data(store: Store) -> None:
    signature = dspex.Signature("text -> intent")
    with PracticeServer(PracticeOptions(api_key=KEY)) as server:
        base = dspex.LM("openai/practice", api_base=server.url, api_key=KEY)
        job = base.finetune(rows(signature), TrainDataFormat.CHAT, {"n_epochs": 2})
        trained = job.result(timeout=60)
        assert isinstance(trained, dspex.LM), trained
        predict = dspex.Predict(signature)
        with dspex.context(lm=trained):
            found = [predict(text=text).intent for text in ("where did I leave my lost card", "the rate for dollars")]
        with dspex.context(lm=base):
            untrained = predict(text="the rate for dollars").intent
    assert found == ["card_lost", "rates"]
    assert untrained not in INTENTS
    assert job.status() is TrainingStatus.succeeded


def test_wrong_key_is_told_and_not_shown(store: Store) -> None:
    with PracticeServer(PracticeOptions(api_key=KEY)) as server:
        base = dspex.LM("openai/practice", api_base=server.url, api_key="sk-wrong-key-0000")
        result = base.finetune(rows(dspex.Signature("text -> intent")), "chat").result(timeout=60)
    assert isinstance(result, LMAuthError)
    assert "sk-wrong-key-0000" not in str(result)


def test_data_that_the_provider_would_refuse_never_reach_it(store: Store) -> None:
    with PracticeServer() as server:
        base = dspex.LM("openai/practice", api_base=server.url)
        wrong = rows(dspex.Signature("text -> intent"))
        wrong[4]["messages"].pop()
        result = base.finetune(wrong, "chat").result(timeout=60)
        calls = server.stats()["calls"]
    assert isinstance(result, UsageError)
    assert "row 4: ends with a message of the user" in str(result)
    assert calls == 0
