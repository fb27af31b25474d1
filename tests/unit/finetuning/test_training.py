"""One order is one file and one job, whatever is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from support.finetune_provider import KEY, FakeOpenAI, KilledError, examples, lm

from dspex.errors import LMAuthError, LMInvalidRequestError, LMProviderError, LMTransportError
from dspex.finetuning.job import FinetuningJob
from dspex.finetuning.request import FinetuneRequest
from dspex.finetuning.training import Training, failure
from dspex.finetuning.training_file import training_file
from dspex.store import Store


def request(provider: FakeOpenAI, **train_kwargs: Any) -> FinetuneRequest:
    return FinetuneRequest(lm(provider), "openai/gpt-4o-mini", "chat", train_kwargs)


async def order(
    provider: FakeOpenAI, store: Store, starter: str = "first", **train_kwargs: Any
) -> tuple[Training, FinetuningJob]:
    """Have the file and the job at the provider."""
    asked = request(provider, **train_kwargs)
    async with training_file(examples(), asked.rules()) as file:
        training = asked.training(file.facts, store, starter=starter)
        training._lag = 0.0
        return training, await training.ensure_job(await training.ensure_file(file))


async def test_file_is_uploaded_as_lines_of_json_under_the_hash_of_its_content(store: Store) -> None:
    provider = FakeOpenAI()
    training, job = await order(provider, store, n_epochs=2)
    (file,) = provider.files
    assert file["filename"] == f"dspex-{training.spec.file.sha[:32]}.jsonl"
    assert provider.contents[file["id"]].count(b"\n") == 12
    assert (job.training_file, provider.jobs[0]["hyperparameters"]) == (file["id"], {"n_epochs": 2})
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in provider.headers)


async def test_same_order_again_is_the_same_job(store: Store, tmp_path: Any) -> None:
    provider = FakeOpenAI()
    _, first = await order(provider, store)
    _, second = await order(provider, store, starter="second")
    elsewhere = Store(tmp_path / "of-another-host.db")
    _, third = await order(provider, elsewhere, starter="third")
    elsewhere.close()
    assert first.id == second.id == third.id
    assert (len(provider.files), len(provider.jobs)) == (1, 1)


async def test_other_parameters_are_another_job_on_the_same_file(store: Store) -> None:
    provider = FakeOpenAI()
    await order(provider, store)
    await order(provider, store, n_epochs=5)
    assert (len(provider.files), len(provider.jobs)) == (1, 2)


@pytest.mark.parametrize("lost", ["POST /files", "POST /fine_tuning/jobs"])
async def test_lost_answer_to_a_write_makes_nothing_twice(lost: str, store: Store) -> None:
    provider = FakeOpenAI()
    provider.lose_answer.add(lost)
    await order(provider, store)
    assert (len(provider.files), len(provider.jobs)) == (1, 1)
    assert provider.count(lost) == 1, "it was looked for, and found, before it was asked for again"


@pytest.mark.parametrize("killed_after", ["POST /files", "POST /fine_tuning/jobs"])
async def test_what_a_dead_process_made_is_found_among_much(killed_after: str, store: Store) -> None:
    provider = FakeOpenAI(page=3)
    provider.kill_after = killed_after
    with pytest.raises(KilledError):
        await order(provider, store)
    for number in range(10):
        provider.files.insert(0, {"id": f"file-of-others-{number}", "filename": "a.jsonl", "bytes": 5})
        if provider.jobs:
            provider.jobs.insert(0, {**provider.jobs[-1], "id": f"job-of-others-{number}", "metadata": {}})
    _, job = await order(provider, store, starter="second")
    assert (job.id, job.training_file) == ("ftjob-1", "file-1")
    assert (provider.count("POST /files"), provider.count("POST /fine_tuning/jobs")) == (1, 1)


async def test_intent_without_an_outcome_has_the_list_looked_through_twice(store: Store) -> None:
    """A job just created may not be in the provider's list yet."""
    provider = FakeOpenAI()
    provider.refuse["POST /fine_tuning/jobs"] = (400, {"error": {"message": "Not now."}})
    with pytest.raises(LMInvalidRequestError):
        await order(provider, store)
    provider.asked.clear()
    await order(provider, store, starter="second")
    assert (provider.count("GET /fine_tuning/jobs"), len(provider.jobs)) == (2, 1)


async def test_server_without_metadata_is_looked_through_by_file_model_and_suffix(store: Store, tmp_path: Any) -> None:
    provider = FakeOpenAI()
    provider.keeps_metadata = False
    _, first = await order(provider, store)
    elsewhere = Store(tmp_path / "of-another-host.db")
    _, second = await order(provider, elsewhere, starter="second")
    _, other = await order(provider, elsewhere, starter="third", n_epochs=9)
    elsewhere.close()
    assert first.id == second.id != other.id


@pytest.mark.parametrize("stages", [("failed",), ("running", "cancelled")])
async def test_job_that_came_to_nothing_is_asked_for_anew_by_a_later_start_only(
    stages: tuple[str, ...], store: Store
) -> None:
    provider = FakeOpenAI(stages)
    training, job = await order(provider, store)
    while not job.over:
        job = await training.look(job.id)
    _, same_start = await order(provider, store)
    assert same_start.id == job.id
    _, later = await order(provider, store, starter="later")
    assert later.id != job.id
    assert (len(provider.files), len(provider.jobs)) == (1, 2)


async def test_failure_is_told_in_the_providers_own_words(store: Store) -> None:
    provider = FakeOpenAI(("failed",))
    training, job = await order(provider, store)
    error = failure(await training.look(job.id))
    assert str(error) == "The fine-tuning job 'ftjob-1' failed: The file is bad. (invalid_training_file)"


async def test_key_that_the_provider_quotes_in_a_jobs_error_is_not_kept(store: Store) -> None:
    provider = FakeOpenAI(("failed",))
    provider.error = {"code": None, "message": f"The key {KEY} may not train.", "param": None}
    training, job = await order(provider, store)
    assert str(failure(await training.look(job.id))).endswith("failed: The key *** may not train.")
    assert KEY not in str(await store.runs.list())


async def test_end_is_written_down_as_a_run(store: Store) -> None:
    provider = FakeOpenAI(("succeeded",))
    training, job = await order(provider, store, usd_per_million_tokens=1000)
    await training.look(job.id)
    record = await store.runs.get(training.spec.run_id)
    assert record is not None
    assert record.result is not None
    assert (record.status, record.optimizer, record.program) == ("completed", "finetune", "gpt-4o-mini")
    assert (record.result["trained_tokens"], record.result["cost_usd"]) == (4321, 4.321)
    assert KEY not in str(record)


async def test_cancelling_ends_the_job_also_when_its_id_is_not_known(store: Store) -> None:
    provider = FakeOpenAI(("running",) * 3)
    training, _ = await order(provider, store)
    ended = await training.cancel(None)
    assert ended is not None
    assert (ended.status, provider.jobs[0]["status"]) == ("cancelled", "cancelled")


async def test_cancelling_what_is_over_leaves_it(store: Store) -> None:
    provider = FakeOpenAI(("succeeded",))
    training, job = await order(provider, store)
    await training.look(job.id)
    ended = await training.cancel(job.id)
    assert ended is not None
    assert ended.status == "succeeded"


async def test_cancelling_what_never_began_asks_for_nothing(store: Store) -> None:
    provider = FakeOpenAI()
    asked = request(provider)
    async with training_file(examples(), asked.rules()) as file:
        assert await asked.training(file.facts, store, starter="first").cancel(None) is None


async def test_job_that_is_gone_is_told(store: Store) -> None:
    provider = FakeOpenAI()
    training, job = await order(provider, store)
    provider.jobs.clear()
    with pytest.raises(LMProviderError, match="no fine-tuning job 'ftjob-1' any more"):
        await training.look(job.id)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, LMAuthError), (400, LMInvalidRequestError)], ids=["wrong key", "refused"]
)
async def test_refusal_is_told_at_once_in_the_providers_words_and_without_the_key(
    status: int, kind: type[Exception], store: Store
) -> None:
    provider = FakeOpenAI()
    provider.refuse["POST /fine_tuning/jobs"] = (status, {"error": {"message": f"No: {KEY} is not good."}})
    with pytest.raises(kind, match=r"provider\.test/v1/fine_tuning/jobs: \d+: No: \*\*\* is not good") as caught:
        await order(provider, store)
    assert KEY not in str(caught.value)
    assert provider.count("POST /fine_tuning/jobs") == 1


async def test_unreachable_provider_is_infrastructure(store: Store) -> None:
    asked = FinetuneRequest(
        lm(FakeOpenAI(), transport=None, api_base="http://127.0.0.1:9/v1", num_retries=0), "m", "chat", {}
    )
    async with training_file(examples(), asked.rules()) as file:
        with pytest.raises(LMTransportError):
            await asked.training(file.facts, store, starter="first").ensure_file(file)
