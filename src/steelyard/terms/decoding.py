"""What a decoder has to say of a value that does not fit: where it stands, and in which words."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLACE = re.compile(r"(?:(?: of)?| (?:key|value) in)(?: - at)? `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


class Fault(NamedTuple):
    """path: of the value, "" for the whole; missing: the field it lacks, or ""; said: the words alone."""

    path: str
    missing: str
    said: str

    def field(self, within: str = "") -> str:
        """Return the path of what is wrong, the missing field included, within a table."""
        path = ".".join(filter(None, (within, self.path, self.missing)))
        return path.replace(".[", "[")  # an item of the table itself


def fault_of(error: Exception) -> Fault:
    """Return the parts of what msgspec says of a value.

    >>> import msgspec
    >>> class Row(msgspec.Struct):
    ...     price: float
    >>> try:
    ...     msgspec.json.decode(b'[{"price": 1}, {}]', type=list[Row])
    ... except msgspec.ValidationError as error:
    ...     fault_of(error), fault_of(error).field()
    (Fault(path='[1]', missing='price', said='Object missing required field `price`'), '[1].price')
    """
    text = str(error)
    place, missing = _PLACE.search(text), _MISSING.search(text)
    said = text[: place.start()] if place else text
    return Fault(place["path"] if place else "", missing["name"] if missing else "", said)
