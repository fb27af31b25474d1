from __future__ import annotations

from collections.abc import Iterator

import pytest

from dspex import settings as configuration


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    configuration.reset()
