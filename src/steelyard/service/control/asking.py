"""Parameters of questions, as they stand in a query: strict digits, closed words, no unknown names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from steelyard.service.control.cursors import next_link, open_cursor, seal_cursor
from steelyard.service.control.errors import bad_cursor

PAGE_MAX = 500
_DIGITS = re.compile(r"[0-9]{1,19}")
Item = TypeVar("Item")


def _digits(value: object) -> object:
    """Return a number of a query; digits and nothing else."""
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("a number is 1 to 19 digits")
        return int(value)
    return value


Digits = BeforeValidator(_digits)
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX), Digits]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=512)]
FreeName = Annotated[str, StringConstraints(min_length=1, max_length=96)]


class Question(BaseModel):
    """The parameters of a question; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paged(Question):
    """A question for a page of a list."""

    limit: Annotated[Limit, Field(description="Items on a page.")] = 100
    cursor: Annotated[
        Cursor | None, Field(description="Where the page begins: the cursor of `next`.")
    ] = None

    def sealed(self, name: str) -> tuple[str, ...]:
        """Return what a cursor of this question is sealed with: the list and all but limit and cursor."""
        kept = self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
        return (name, *(f"{field}={value}" for field, value in sorted(kept.items())))

    def after(self, name: str) -> tuple[Any, ...] | None:
        """Return the sort key after which the page begins. Errors: PLAN-E09."""
        return None if self.cursor is None else open_cursor(self.sealed(name), self.cursor)

    def link(self, request: Request, name: str, key: tuple[Any, ...] | None) -> str | None:
        """Return where the list goes on after a sort key, None at its end."""
        if key is None:
            return None
        kept = self.model_dump(exclude={"cursor"}, exclude_none=True, exclude_defaults=True)
        return next_link(request.url.path, kept, seal_cursor(self.sealed(name), key))


def page_by(
    items: Sequence[Item], key_of: Callable[[Item], Any], asked: Paged, name: str
) -> tuple[list[Item], tuple[Any, ...] | None]:
    """Return a page of items, and the key of its last where more follow.

    key_of: gives what the items ascend by: a text, a number or a list of such, each item its own.
    """
    after = asked.after(name)
    if after is not None:
        try:
            items = [each for each in items if key_of(each) > after[0]]
        except (IndexError, TypeError):
            raise bad_cursor() from None
    told = list(items[: asked.limit])
    return told, (key_of(told[-1]),) if len(items) > asked.limit else None
