"""`hold:` key by key: how long a rule holds, whose the hold is, who ends it, and what its expiry does.

1. Exactly one end: a time after an event, an instant, or persons.
2. What only persons' holds have (how many, expiry, what happens then) is refused elsewhere, where it would say nothing.
3. What expires without a word of what happens then is denied.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from cert_exchange.policy.reading import shown
from cert_exchange.policy.rules import HoldTerms
from cert_exchange.policy.spellings import ADVICE, instant_of, micros_of, refuse, text

MOST_APPROVALS: Final = 5
_ENDS: Final = frozenset({"for", "until", "approval"})
Duration = Annotated[int, BeforeValidator(micros_of)]


def hold_value(value: Any) -> Any:
    """Read the word `approval` as the mapping that it stands for, and refuse what is no hold at all."""
    if isinstance(value, str) and value.strip().casefold() == "approval":
        return {"approval": True}
    if value is None or (isinstance(value, dict) and len(value.keys() & _ENDS) == 1):
        return value
    return refuse(f"hold is {shown(value)}; {ADVICE['hold']}, one of them")


def _owner(value: Any) -> str:
    return text(value, most=100, what="owner")


class HoldForm(BaseModel):
    """`hold:` until an instant, for a time after an event, or until persons release it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    for_: Duration | None = Field(default=None, alias="for")
    after: Literal["stored", "modified"] | None = None
    until: Annotated[int, BeforeValidator(instant_of)] | None = None
    approval: StrictBool | None = None
    owner: Annotated[str, BeforeValidator(_owner)] = ""
    approvals: Annotated[int, Field(strict=True, ge=1, le=MOST_APPROVALS)] | None = None
    expires: Duration | None = None
    then: Literal["deny", "release"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> HoldForm:
        if self.approval is False:
            refuse(f"hold: approval is false, so nothing ends it; {ADVICE['hold']}, one of them")
        if self.after is not None and self.for_ is None:
            refuse("hold: after says from when `for` counts; give for, or leave after out")
        if self.approval is None and (
            self.approvals is not None or self.expires is not None or self.then is not None
        ):
            refuse("hold: approvals, expires and then belong to {approval: true}")
        if self.then is not None and self.expires is None:
            refuse("hold: then says what happens when it expires; give expires, or leave then out")
        return self

    def to_terms(self) -> HoldTerms:
        """Return the same as a plain value."""
        return HoldTerms(
            duration=self.for_,
            until=self.until,
            approval=self.approval is not None,
            after=self.after or "stored",
            owner=self.owner,
            approvals=self.approvals or 1,
            expires=self.expires,
            then=self.then or "deny",
        )
