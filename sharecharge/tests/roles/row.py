"""One line of the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The order of the answers in a row. Dora was deactivated after she had got her token.
SUBJECTS = ("nobody", "alice", "charlie", "bob", "otto", "oscar", "dora")


class Form(dict[str, Any]):
    """A body that is sent as a form with files, not as JSON."""


@dataclass(frozen=True)
class Row:
    """`GET wallet → 401 200 200 200 200 200 401`: a request, and what each of SUBJECTS gets as an answer.

    `stage` is Alice's charge at Bob's charger, see stage.py; `address` and `body` are made from it; `query` may
    name what is on it: `?charger={stage.hidden.pk}`.
    """

    method: str
    route: str
    answers: str
    address: Callable[[Any], dict[str, Any]] = lambda stage: {}
    body: Callable[[Any], Any] = lambda stage: None
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route}{self.query}"
