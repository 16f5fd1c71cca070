"""Named places at which a gateway kills itself, as a power cut would. They are put around the product's functions from
outside, in the processes of the fault tests only: production code knows nothing of them."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from billing import wallets
from chargers import authorization, commands, presence, recorder, settlement
from ocpp_gateway import dispatch

# A gateway that answers before it has committed would be heard by its charger within this time.
LAST_BREATH_SECONDS = 0.1
REMOTE_START = "RemoteStartTransaction"

Function = Callable[..., Any]
Condition = Callable[[tuple[Any, ...], Any], bool]


class Bomb:
    """Goes off when it is passed for the nth time."""

    def __init__(self, after: int) -> None:
        self.left, self.lock = after, threading.Lock()

    def passed(self) -> None:
        with self.lock:
            self.left -= 1
            is_due = self.left == 0
        if is_due:
            time.sleep(LAST_BREATH_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)


def always(arguments: tuple[Any, ...], result: Any) -> bool:
    return True


def before(module: Any, name: str, condition: Condition = always) -> Callable[[Bomb], None]:
    def put(bomb: Bomb) -> None:
        original: Function = getattr(module, name)

        def dangerous(*args: Any, **kwargs: Any) -> Any:
            if condition(args, None):
                bomb.passed()
            return original(*args, **kwargs)

        setattr(module, name, dangerous)

    return put


def after(module: Any, name: str, condition: Condition = always) -> Callable[[Bomb], None]:
    def put(bomb: Bomb) -> None:
        original: Function = getattr(module, name)

        def dangerous(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if condition(args, result):
                bomb.passed()
            return result

        setattr(module, name, dangerous)

    return put


def decided(action: str) -> Callable[[Bomb], None]:
    """Between a decision's commit and its answer."""
    return after(dispatch, "decide", lambda arguments, _result: arguments[1].action == action)


POINTS: dict[str, Callable[[Bomb], None]] = {
    "start.held": after(wallets, "hold"),
    "start.stored": after(commands, "after_start"),
    "start.committed": decided("StartTransaction"),
    "stop.unsettled": before(settlement, "settle_locked"),
    "settlement.moved": after(wallets, "settle"),
    "stop.settled": after(settlement, "settle_locked"),
    "stop.committed": decided("StopTransaction"),
    "command.claimed": after(commands, "claim_next", lambda _arguments, command: command is not None),
    "command.answered": before(dispatch, "finish"),
    "command.started": before(dispatch, "finish", lambda arguments, _result: arguments[2].action == REMOTE_START),
    "command.finished": after(dispatch, "finish"),
    "facts.measured": after(recorder, "write_samples", lambda arguments, _result: bool(arguments[0])),
    "facts.seen": after(presence, "seen"),
    "facts.committed": after(recorder, "write"),
}


def arm(name: str, *, passes: int) -> None:
    """The process kills itself when the point is passed for the `passes`th time."""
    POINTS[name](Bomb(passes))


def widen(seconds: float) -> None:
    """A pause between the look for a twin and the decision about a start, so that racing starts do meet."""
    original = authorization.check_start

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return original(*args, **kwargs)

    authorization.check_start = slow
