"""What the tests of sessions have in common."""

from collections.abc import Iterator

import pytest

from billing import ledger


@pytest.fixture
def _sound_ledger(db: None) -> Iterator[None]:
    """Whatever a test does, in the end the books add up."""
    yield
    assert ledger.breaches() == []
