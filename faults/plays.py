"""All faults by name, and which of them catches which mutant."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from faults import crowds, deaths, disorder
from faults.show import Outcome, Scale
from faults.stage import Stage

Play = Callable[[Stage, Scale], Coroutine[Any, Any, Outcome]]

PLAYS: dict[str, Play] = {
    "kill": deaths.kill,
    "database": deaths.database,
    "redis": deaths.redis,
    "races": disorder.races,
    "replay": disorder.replay,
    "takeover": crowds.takeover,
    "storm": crowds.storm,
    "flood": crowds.flood,
}
# They kill database servers, and SQLite has none.
ON_SERVERS_ONLY = frozenset({"database", "redis"})


@dataclass(frozen=True, slots=True)
class Catch:
    """The play that must find something in which `word` occurs; `points`: where its gateway is killed."""

    play: str
    word: str
    points: tuple[str, ...] = ()


CAUGHT: dict[str, Catch] = {
    "facts_answered_before_their_commit": Catch("kill", "lost", ("facts.measured",)),
    "stops_answered_before_their_commit": Catch("kill", "stops lost", ("stop.unsettled",)),
    "frames_sent_before_they_are_stored": Catch("kill", "lost", ("facts.measured",)),
    "an_absent_database_is_answered_with_an_error": Catch("database", "InternalError"),
    "no_lock_at_a_start": Catch("races", "StartTransaction"),
    "no_lock_and_no_index_at_a_start": Catch("races", "sessions doubled"),
    "repeated_starts_are_new_starts": Catch("races", "sessions doubled"),
    "repeated_samples_are_new_samples": Catch("races", "meter values doubled"),
    "remote_starts_are_sent_again": Catch("kill", "remote starts sent twice", ("command.started",)),
    "stops_of_any_charger": Catch("races", "stops lost"),
    "fee_and_share_rounded_apart": Catch("races", "bills lost or wrong"),
    "repeated_stops_are_paid_again": Catch("races", "bills doubled"),
    "no_password_at_the_door": Catch("takeover", "a stranger was let in"),
    "old_sockets_stay": Catch("takeover", "the old socket was not closed"),
    "a_late_close_marks_the_charger_offline": Catch("takeover", "marked the charger as offline"),
}


async def catch(stage: Stage, mutant: str, scale: Scale) -> Outcome:
    """Plays with a mutant. Gives the outcome; `is_caught` tells whether the right thing was found."""
    found = CAUGHT[mutant]
    small = Scale(scale.chargers, scale.crowd, min(scale.rounds, 1), found.points, mutant)
    return await PLAYS[found.play](stage, small)


def is_caught(mutant: str, outcome: Outcome) -> bool:
    return any(CAUGHT[mutant].word in fault for fault in outcome.found)
