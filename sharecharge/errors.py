"""The one exception for an expected "no". Imports nothing, so every app may import it."""

from typing import Any


class Refused(Exception):
    """A request that the rules of the business turn down.

    `code` is stable and for programs, `message` is a translatable sentence that tells a person what to do,
    `status` is the HTTP status that the API answers with, `field` names the input that is at fault, if one is.
    """

    def __init__(self, code: str, message: Any, *, status: int = 409, field: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.field = field

    def __str__(self) -> str:
        return str(self.message)
