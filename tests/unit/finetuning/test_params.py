"""`train_kwargs` become what the API calls them; what it does not know is refused."""

from __future__ import annotations

from typing import Any

import pytest

from dspex.errors import UsageError
from dspex.finetuning.job_spec import JobSpec
from dspex.finetuning.params import train_params
from dspex.finetuning.polling import Polling
from dspex.finetuning.training_file import FileFacts

FILE = FileFacts("0" * 64, 100, 10)


def spec(**train_kwargs: Any) -> JobSpec:
    return JobSpec("http://provider.test/v1", "gpt-4o-mini", FILE, train_params(train_kwargs))


def test_hyperparameters_are_gathered_and_the_rest_is_the_requests_own() -> None:
    asked = spec(n_epochs=3, batch_size=None, hyperparameters={"learning_rate_multiplier": 2}, seed=7).request(
        "f", "me"
    )
    assert asked["hyperparameters"] == {"learning_rate_multiplier": 2, "n_epochs": 3}
    assert (asked["seed"], asked["training_file"], asked["model"]) == (7, "f", "gpt-4o-mini")


def test_metadata_of_the_user_stays_beside_the_mark() -> None:
    made = spec(metadata={"team": "red"})
    assert made.request("f", "me")["metadata"] == {"team": "red", "dspex": made.digest, "dspex_start": "me"}


def test_suffix_is_the_users_or_tells_the_order() -> None:
    assert spec(suffix="mine").request("f", "me")["suffix"] == "mine"
    made = spec()
    assert made.request("f", "me")["suffix"] == f"dspex-{made.digest[:10]}"


def test_equal_orders_have_one_digest_and_others_another() -> None:
    assert spec(n_epochs=3).digest == spec(hyperparameters={"n_epochs": 3}).digest
    assert len({spec().digest, spec(n_epochs=3).digest, spec(seed=1).digest, spec(suffix="b").digest}) == 4
    assert spec().digest == spec(usd_per_million_tokens=3).digest, "a price changes nothing at the provider"


@pytest.mark.parametrize(
    ("train_kwargs", "words"),
    [
        ({"num_train_epochs": 3}, "num_train_epochs"),
        ({"hyperparameters": 3}, "hyperparameters=3"),
        ({"n_epochs": 3, "method": {"type": "supervised"}}, "both hyperparameters and a method"),
        ({"suffix": "x" * 65}, "up to 64"),
        ({"usd_per_million_tokens": -1}, "zero or more"),
    ],
)
def test_what_would_be_ignored_or_refused_is_refused_here(train_kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train_params(train_kwargs)


def test_cost_is_known_only_with_a_price() -> None:
    assert train_params({"usd_per_million_tokens": 3}).cost_usd(500_000) == 1.5
    assert train_params({}).cost_usd(500_000) is None
    assert train_params({"usd_per_million_tokens": 3}).cost_usd(None) is None


def test_looks_grow_rarer_within_their_bounds() -> None:
    polling = Polling()
    assert [polling.wait(seconds) for seconds in (0, 10, 200, 86_400)] == [1, 1, 10, 60]
