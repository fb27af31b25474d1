"""`LM.finetune` as DSPy's users call it: a job that is a future, with a thread, a status and an end."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest
from support.finetune_provider import KEY, FakeOpenAI, examples, lm, over_http

import dspex
from dspex.clients.http.transport import HttpxTransport
from dspex.clients.provider import Provider, TrainingJob
from dspex.clients.utils_finetune import TrainDataFormat, TrainingStatus
from dspex.errors import LMConfigurationError, LMProviderError, LMUnsupportedFeatureError, UsageError
from dspex.finetuning.polling import Polling
from dspex.finetuning.provider import OpenAIProvider, TrainingJobOpenAI
from dspex.finetuning.request import FinetuneRequest
from dspex.finetuning.task import LocalTrainingTask
from dspex.store import Store


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow on one another."""
    monkeypatch.setattr(Polling, "wait", lambda self, elapsed: 0.001)


def test_result_is_the_lm_with_the_trained_models_name(store: Store) -> None:
    provider = FakeOpenAI()
    base = lm(provider, temperature=0.5)
    job = base.finetune(examples(), TrainDataFormat.CHAT, {"n_epochs": 1})
    trained = job.result(timeout=30)
    assert isinstance(job, TrainingJobOpenAI)
    assert isinstance(trained, dspex.LM)
    assert trained.model.startswith("ft:gpt-4o-mini:acme:dspex-")
    assert (trained.api_base, trained.kwargs["temperature"], base.model) == (base.api_base, 0.5, "openai/gpt-4o-mini")
    assert (job.provider_file_id, job.provider_job_id) == ("file-1", "ftjob-1")
    assert job.status() is TrainingStatus.succeeded
    assert job.thread is not None
    job.thread.join(timeout=30)
    assert not job.cancel(), "it is over"


def test_trained_model_can_be_trained_on(store: Store) -> None:
    provider = FakeOpenAI()
    first = lm(provider).finetune(examples(), "chat").result(timeout=30)
    second = first.finetune(examples(20), "chat").result(timeout=30)
    assert second.model.startswith("ft:ft:gpt-4o-mini")


def test_model_to_train_may_be_another_than_the_one_to_call(store: Store) -> None:
    provider = FakeOpenAI()
    lm(provider, finetuning_model="openai/gpt-4o-mini-2024-07-18").finetune(examples(), "chat").result(timeout=30)
    assert provider.jobs[0]["model"] == "gpt-4o-mini-2024-07-18"


def test_wrong_data_are_the_result_as_in_dspy_and_nothing_is_uploaded(store: Store) -> None:
    provider = FakeOpenAI()
    result = lm(provider).finetune([{"messages": []}] * 12, "chat").result(timeout=30)
    assert isinstance(result, UsageError)
    assert provider.asked == []


def test_failed_job_gives_the_providers_words(store: Store) -> None:
    result = lm(FakeOpenAI(("failed",))).finetune(examples(), "chat").result(timeout=30)
    assert isinstance(result, LMProviderError)
    assert "The file is bad." in str(result)


def test_cancelled_job_is_cancelled_at_the_provider_too(store: Store) -> None:
    provider = FakeOpenAI(("running",))
    job = lm(provider).finetune(examples(), "chat")
    while job.status() is not TrainingStatus.running:
        pass
    assert job.cancel()
    assert provider.jobs[0]["status"] == "cancelled"
    assert len(provider.files) == 1, "its file may serve another job"
    with pytest.raises(CancelledError):
        job.result(timeout=30)
    assert job.thread is not None
    job.thread.join(timeout=30)
    assert not job.thread.is_alive()


async def test_cancelling_before_there_is_a_job_creates_none(store: Store) -> None:
    provider = FakeOpenAI()
    task = LocalTrainingTask(FinetuneRequest(lm(provider), "openai/gpt-4o-mini", "chat", {}), examples())
    assert await task.status() is TrainingStatus.not_started
    assert await task.cancel()
    with pytest.raises(LMProviderError, match="cancelled before its job was created"):
        await task.run()
    assert provider.jobs == []


async def test_provider_that_is_away_for_a_while_does_not_end_the_wait(store: Store) -> None:
    provider = FakeOpenAI()
    for _ in range(3):
        provider.refuse["GET /fine_tuning/jobs/ftjob-1"] = (503, {"error": {"message": "Away."}})
    asked = FinetuneRequest(lm(provider, num_retries=0), "openai/gpt-4o-mini", "chat", {})
    assert (await LocalTrainingTask(asked, examples()).run()).startswith("ft:")


async def test_key_that_is_withdrawn_ends_the_wait(store: Store) -> None:
    provider = FakeOpenAI()
    provider.refuse["GET /fine_tuning/jobs/ftjob-1"] = (401, {"error": {"message": f"{KEY} is revoked."}})
    asked = FinetuneRequest(lm(provider), "openai/gpt-4o-mini", "chat", {})
    with pytest.raises(LMProviderError, match=r"401: \*\*\* is revoked"):
        await LocalTrainingTask(asked, examples()).run()


def test_settings_in_force_are_those_of_the_thread(store: Store, tmp_path: Any) -> None:
    provider = FakeOpenAI()
    with dspex.context(store=str(tmp_path / "chosen.db")):
        lm(provider).finetune(examples(), "chat").result(timeout=30)
    chosen = Store(tmp_path / "chosen.db")
    assert _runs(chosen) == ["finetune"]
    assert _runs(store) == []
    chosen.close()


def _runs(store: Store) -> list[str | None]:
    from dspex.bridge import wait_for

    return [record.optimizer for record in wait_for(store.runs.list())]


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "ft:gpt-4o-mini:acme::1", "gpt-4o-mini"])
def test_models_of_openai_have_its_provider(model: str) -> None:
    assert OpenAIProvider.is_provider_model(model)
    assert isinstance(dspex.LM(model, api_base="http://127.0.0.1:9/v1").provider, OpenAIProvider)


def test_other_models_have_none_and_may_be_given_one(store: Store) -> None:
    elsewhere = dspex.LM("hosted_vllm/llama", api_base="http://127.0.0.1:9/v1")
    assert type(elsewhere.provider) is Provider
    with pytest.raises(LMUnsupportedFeatureError, match="does not support fine-tuning"):
        elsewhere.finetune(examples(), TrainDataFormat.CHAT)
    options: dict[str, Any] = {"provider": OpenAIProvider(), "transport": FakeOpenAI(), "num_retries": 0}
    named = dspex.LM("hosted_vllm/llama", api_base="http://127.0.0.1:9/v1", **options)
    assert named.finetune(examples(), "chat").result(timeout=30).model.startswith("ft:")


def test_provider_is_at_dspys_path() -> None:
    from dspex.clients.openai import OpenAIProvider as AtItsPath

    assert AtItsPath is OpenAIProvider


async def test_users_own_httpx_client_uploads_and_asks(store: Store) -> None:
    import httpx

    provider = FakeOpenAI()
    with over_http(provider) as url:
        async with httpx.AsyncClient(headers={"X-Through": "my-proxy"}) as client:
            asked = FinetuneRequest(
                lm(provider, transport=HttpxTransport(client), api_base=url), "gpt-4o-mini", "chat", {}
            )
            model = await LocalTrainingTask(asked, examples()).run()
    assert model.startswith("ft:")
    assert provider.contents["file-1"].count(b"\n") == 12
    assert all(headers["X-Through"] == "my-proxy" for headers in provider.headers)


def test_transport_that_can_only_post_is_refused_before_anything_is_uploaded(store: Store) -> None:
    class PostsOnly:
        async def post(self, *arguments: Any) -> Any:
            raise AssertionError("nothing is posted")

    result = lm(FakeOpenAI(), transport=PostsOnly()).finetune(examples(), "chat").result(timeout=30)
    assert isinstance(result, LMConfigurationError)
    assert "a PostsOnly, can only post" in str(result)


class OwnJob(TrainingJob):
    def status(self) -> str:
        return "warm"


class OwnProvider(Provider):
    """A user's, written for DSPy."""

    def __init__(self) -> None:
        super().__init__()
        self.finetunable = True
        self.TrainingJob = OwnJob

    @staticmethod
    def finetune(job: Any, model: str, train_data: Any, train_data_format: Any, train_kwargs: Any = None) -> str:
        assert threading.current_thread() is job.thread
        return f"{model}-{len(train_data)}-{train_data_format}-{train_kwargs['epochs']}"


def test_providers_of_the_users_own_train_as_in_dspy() -> None:
    base = dspex.LM("local/llama", api_base="http://127.0.0.1:9/v1", provider=OwnProvider())
    job = base.finetune(examples(3), TrainDataFormat.CHAT, {"epochs": 2})
    assert job.status() == "warm"
    assert job.result(timeout=30).model == "local/llama-3-chat-2"
