import pytest

from faults.__main__ import parse
from faults.plays import CAUGHT

pytestmark = pytest.mark.once


def test_by_default_everything_is_played_once():
    options = parse([])
    assert (options.only, options.mutants, options.chargers, options.crowd) == (None, None, 50, 300)


def test_all_mutants_or_some():
    assert parse(["--mutants"]).mutants == []
    assert parse(["--mutants", *CAUGHT]).mutants == list(CAUGHT)


@pytest.mark.parametrize("arguments", [["--mutants", "unknown"], ["--only", "unknown"]])
def test_what_there_is_not_is_refused_by_name(arguments, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "unknown" in capsys.readouterr().err
