"""What goes in and out as JSON: strict models, and the kinds of fields that they share.

In: no unknown field, no value of another type, bounds on every text, list and number. Out: amounts as text
of a decimal, times as integer microseconds. This is the one room in which pydantic is used.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"
AMOUNT_PATTERN = r"^-?[0-9]{1,20}(\.[0-9]{1,18})?$"
POSITIVE_PATTERN = r"^[0-9]{1,20}(\.[0-9]{1,18})?$"
TIME_US_MAX = 4_102_444_800_000_000
SEQ_MAX = 2**62
Item = TypeVar("Item")

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
"""A name that a path can carry."""

AssetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,16}$", max_length=16)]
ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""A reason in words, without line feeds."""

Amount = Annotated[
    str,
    StringConstraints(pattern=AMOUNT_PATTERN, max_length=40),
    Field(examples=["-1250.500000"]),
]
Positive = Annotated[
    str, StringConstraints(pattern=POSITIVE_PATTERN, max_length=39), Field(examples=["1250.5"])
]
TimeUs = Annotated[int, Field(ge=0, le=TIME_US_MAX, examples=[1_767_225_600_000_000])]
Seq = Annotated[int, Field(ge=0, le=SEQ_MAX, examples=[41])]
Count = Annotated[int, Field(ge=0, le=SEQ_MAX)]


class Asked(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, str_max_length=4096
    )


def exampled(example: JsonDict) -> ConfigDict:
    """Return the configuration of a body with an example of it."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Told(BaseModel):
    """Anything in an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reading(Told):
    """An answer to a question. as_of_seq, time_us: the event after which it was so, and its instant.

    These two come first and are no part of the ETag.
    """

    as_of_seq: Seq
    time_us: TimeUs


class Done(Told):
    """An answer to a command: where it stands in the journal, which holds it for good.

    seq: the number of the event. position: of its record. time_us: the engine's instant.
    """

    seq: Seq
    position: Seq
    time_us: TimeUs


def amount(value: Decimal) -> str:
    """Return a decimal as text without an exponent.

    >>> amount(Decimal("1E+3")), amount(Decimal("-0.000001"))
    ('1000', '-0.000001')
    """
    return format(value, "f")


class Page(Reading, Generic[Item]):
    """A page of a list. next: where it goes on, null at its end."""

    items: list[Item]
    next: str | None
