"""No text that was scrubbed holds a key, however it came into it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.clients import LM
from dspex.clients.canonical.secrets import (
    Secret,
    in_headers,
    names_a_secret,
    public,
    refuse_secrets_in,
    scrub,
    scrub_body,
)
from dspex.errors import LMConfigurationError

KEY = "sk-abc/def+ghi=0123456789"

FORMS: list[Callable[[str], str]] = [
    str,
    lambda key: quote(key, safe=""),
    quote,
    quote_plus,
    lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    lambda key: json.dumps({"error": f"Bearer {key}"}),
]

keys = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=8, max_size=80)
texts = st.text(max_size=200)


@given(before=texts, after=texts, key=keys, form=st.sampled_from(FORMS[:-1]))
def test_key_in_any_form_is_masked(before: str, after: str, key: str, form: Callable[[str], str]) -> None:
    echoed = form(key)
    assert echoed not in scrub(before + echoed + after, key)


@given(before=texts, keys=st.lists(keys, max_size=4), after=texts)
def test_several_keys_are_masked_also_where_one_is_part_of_another(before: str, keys: list[str], after: str) -> None:
    found = scrub(before + "".join(keys) + after, *keys)
    assert not [key for key in keys if key in found]


@given(text=st.text(st.characters(exclude_characters="?&@:=")), key=keys)
def test_text_without_a_key_is_left_as_it_is(text: str, key: str) -> None:
    if not any(form(key) in text for form in FORMS) and "earer" not in text.lower() and "asic" not in text.lower():
        assert scrub(text, key) == text


@given(text=texts, key=keys)
def test_scrubbing_again_changes_nothing(text: str, key: str) -> None:
    once = scrub(text, key)
    assert scrub(once, key) == once


@given(before=st.binary(max_size=100), after=st.binary(max_size=100), key=keys)
def test_answers_are_kept_without_the_key(before: bytes, after: bytes, key: str) -> None:
    assert key.encode() not in scrub_body(before + key.encode() + after, key)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("https://user:pa55word@host/v1 failed", "https://***@host/v1 failed"),
        ("GET /v1/models?key=AIzaSy-12345&alt=sse", "GET /v1/models?key=***&alt=sse"),
        ("?api-version=2024-06-01&subscription-key=abc", "?api-version=2024-06-01&subscription-key=***"),
        ("got 'Authorization: Bearer sk-ant-0123456789abc'", "got 'Authorization: Bearer ***'"),
        ("Basic authorization is required, not Bearer authentication", None),
        ("see https://docs.test/errors?code=403 and mail me@host.test", None),
    ],
)
def test_what_looks_like_a_key_is_masked_though_nobody_knows_it(text: str, scrubbed: str | None) -> None:
    assert scrub(text) == (scrubbed or text)


def test_stand_in_for_a_key_is_no_part_of_words() -> None:
    assert scrub("the test failed", "test") == "the test failed"


@pytest.mark.parametrize("url", ["https://user:pass@host/v1", "https://token@host/v1", "https://host/v1?key=abcdef"])
def test_address_with_a_secret_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(LMConfigurationError) as caught:
        LM("openai/m", api_base=url)
    assert "pass@" not in str(caught.value)
    assert "abcdef" not in str(caught.value)
    with pytest.raises(LMConfigurationError):
        LM("openai/m").copy(api_base=url)


def test_address_without_one_is_fine() -> None:
    for url in ("https://host/v1", "https://host/v1?api-version=2024-06-01", "http://[::1]:8000/v1", None):
        assert refuse_secrets_in(url) == url


@pytest.mark.parametrize(
    "name", ["api_key", "extra_headers", "Authorization", "x-api-key", "azure_ad_token", "password"]
)
def test_names_of_secrets(name: str) -> None:
    assert names_a_secret(name)
    assert public({name: KEY, "model": "m"}) == {"model": "m"}


@pytest.mark.parametrize("name", ["max_tokens", "temperature", "monkey", "keys_of"])
def test_names_of_nothing_secret(name: str) -> None:
    assert not names_a_secret(name)


def test_secrets_of_headers_are_known_with_and_without_their_scheme() -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", "x-goog-api-key": "AIza"}
    assert set(in_headers(headers)) == {f"Bearer {KEY}", KEY, "AIza"}


def test_key_is_neither_shown_nor_pickled() -> None:
    secret = Secret(f" {KEY}\n")
    assert secret.reveal() == KEY
    assert KEY not in f"{secret} {secret!r}"
    with pytest.raises(TypeError, match="api_key_env"):
        pickle.dumps(secret)
    lm = LM("openai/m", api_key=KEY, extra_headers={"Authorization": KEY}, headers={"X": KEY}, aws_session_token=KEY)
    assert KEY.encode() not in pickle.dumps(lm)
    assert KEY not in str(lm.dump_state()) + repr(lm)
