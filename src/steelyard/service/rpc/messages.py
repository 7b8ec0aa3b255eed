"""The messages of JSON-RPC 2.0, with what Deribit adds to an answer and what we add.

A request has `jsonrpc` "2.0", a `method`, `params` by name and an `id`; without an id it is a notification
and gets no answer. Other keys beside these are left alone, as the standard has no rule on them. An answer has

    usIn, usOut, usDiff   Deribit's: UTC microseconds of arrival and of the answer, and their difference
    testnet               Deribit's: whether the market is one for trying
    as_of_seq             ours: the sequence number of the state that the answer was made from; null if none

Numbers are numbers where Deribit has numbers, and what is no number (NaN, ±∞) is null: JSON has no word
for it. Sources: JSON-RPC 2.0 Specification (2013), Deribit API v2.1.1, "JSON-RPC".

RPCJ-E04 the bytes are no JSON in UTF-8
RPCJ-E05 the JSON is no request of JSON-RPC 2.0
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from steelyard.quantities.errors import InputError
from steelyard.terms.decoding import fault_of

Id = int | str | None
ID_CHARACTERS_MAX = 256
METHOD_CHARACTERS_MAX = 128
_INT64 = 2**63
NO_PARAMS = msgspec.Raw(b"{}")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every request has beside its method and params.

    id: an integer of 64 bits, a string of at most 256 characters, or null; UNSET in a notification.
    """

    jsonrpc: Literal["2.0"]
    id: (
        Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
        | Annotated[str, msgspec.Meta(max_length=ID_CHARACTERS_MAX)]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET

    @property
    def is_notification(self) -> bool:
        """Return whether no answer is wanted."""
        return self.id is msgspec.UNSET


class Request(Envelope, frozen=True, kw_only=True):
    """One request; `params` is still text, since only the method knows what it holds."""

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=METHOD_CHARACTERS_MAX)]
    params: msgspec.Raw = NO_PARAMS


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that carries a result; `result` is already JSON text."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id
    result: msgspec.Raw
    usIn: int
    usOut: int
    usDiff: int
    testnet: bool
    as_of_seq: int | None


class ErrorData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an error says beyond its number: what is wrong, where, by which rule, and the cure.

    reason and param are Deribit's names. code: our stable code. where: what locates the error, as text.
    nearest: names like the one that is not known. retry_after_us: when the same request is served.
    incident: under which name the service keeps the cause.
    """

    reason: str
    code: str
    rule: str
    cure: str
    param: str = ""
    where: dict[str, str] = msgspec.field(default_factory=dict)
    nearest: tuple[str, ...] = ()
    retry_after_us: int | None = None
    incident: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    """The number of an error, its short message, and the rest."""

    code: int
    message: str
    data: ErrorData


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that carries an error; id is null where none could be read."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id
    error: ErrorBody
    usIn: int
    usOut: int
    usDiff: int
    testnet: bool
    as_of_seq: int | None


class ChannelData(msgspec.Struct, frozen=True):
    """What a channel tells its subscribers."""

    channel: str
    data: Any


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What the service sends unasked: Deribit's `subscription` with a channel and its data.

    >>> news = Notification(params=ChannelData("deribit_price_index.btc_usd", {"price": float("nan")}))
    >>> encode(news)
    b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"deribit_price_index.btc_usd",\
"data":{"price":null}}}'
    """

    jsonrpc: Literal["2.0"] = "2.0"
    method: str = "subscription"
    params: ChannelData


class _Identified(msgspec.Struct):
    """The id of what is otherwise no request."""

    id: (
        Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
        | Annotated[str, msgspec.Meta(max_length=ID_CHARACTERS_MAX)]
        | None
    ) = None


encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(Request).decode
_decode_id = msgspec.json.Decoder(_Identified).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def check_text(body: bytes) -> None:
    """Raise RPCJ-E04 where the bytes are not UTF-8: a decoder that skips a value does not look."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise not_json(f"byte {error.start} is no UTF-8") from None


def not_json(said: str) -> InputError:
    """Return RPCJ-E04: the bytes are no JSON."""
    return InputError(
        "RPCJ-E04", f"the body is no JSON: {said}",
        rule="a body is one JSON value in UTF-8; NaN and Infinity are no JSON",
        cure="write the request with a JSON library; send null for a number that is none",
    )  # fmt: skip


def not_request(said: str, rule: str, cure: str, field: str = "") -> InputError:
    """Return RPCJ-E05: the JSON is no request."""
    where = {"field": field} if field else {}
    return InputError("RPCJ-E05", said, rule=rule, cure=cure, **where)


_CURES = {
    "jsonrpc": ('`jsonrpc` is the string "2.0"', 'send "jsonrpc": "2.0"'),
    "method": (
        f"`method` is a name of 1 to {METHOD_CHARACTERS_MAX} characters",
        "name a method that rpc.discover lists",
    ),
    "id": (
        f"`id` is an integer of 64 bits, a string of at most {ID_CHARACTERS_MAX} characters, or null",
        "number the requests with integers",
    ),
}
_WHOLE = (
    "a request is one JSON object",
    'send {"jsonrpc": "2.0", "id": 1, "method": …, "params": {…}}',
)


def decode_request(body: bytes | msgspec.Raw) -> Request:
    """Return the request of a body within its limits. Errors: RPCJ-E04, RPCJ-E05.

    >>> decode_request(b'{"jsonrpc": "2.0", "id": 7, "method": "public/test", "access": 1}').id
    7
    >>> decode_request(b'{"jsonrpc": "2.0", "method": "public/test"}').is_notification
    True
    >>> decode_request(b'{"jsonrpc": "2.0", "id": 1.5, "method": "public/test"}')
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: RPCJ-E05: id: expected `int | str | null`, got `float` \
(field=id). Rule: `id` is an integer of 64 bits, a string of at most 256 characters, or null. Cure: \
number the requests with integers.
    """
    try:
        found = _decode_request(body)
        # clients of Deribit's API name methods as paths too
        return found if found.method[0] != "/" else _bare(found)
    except msgspec.ValidationError as error:
        _check_json(body)
        fault = fault_of(error)
        field = fault.field()
        rule, cure = _CURES.get(field, _WHOLE)
        said = f"{fault.said[:1].lower()}{fault.said[1:]}"
        raise not_request(f"{field or 'the body'}: {said}", rule, cure, field) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise not_json(str(error)) from None


def _bare(request: Request) -> Request:
    """Return a request whose method is named without the slash it begins with.

    >>> decode_request(b'{"jsonrpc": "2.0", "id": 7, "method": "/public/test"}').method
    'public/test'
    """
    return msgspec.structs.replace(request, method=request.method[1:] or "/")


def _check_json(body: bytes | msgspec.Raw) -> None:
    """Raise RPCJ-E04 where what follows an unfit value is no JSON: then nothing was a request."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise not_json(str(error)) from None


def read_id(body: bytes | msgspec.Raw) -> Id:
    """Return the id of what is no request, None where there is none that could be repeated.

    >>> read_id(b'{"id": "a", "method": 3}'), read_id(b'{"id": [1]}'), read_id(b'[]')
    ('a', None, None)
    """
    try:
        return _decode_id(body).id
    except (msgspec.MsgspecError, ValueError):
        return None


def is_batch(body: bytes) -> bool:
    """Return whether the body is an array, by its first byte that is no white space."""
    return body.lstrip(b" \t\r\n")[:1] == b"["


def decode_batch(body: bytes) -> list[msgspec.Raw]:
    """Return the text of each member of a batch. Errors: RPCJ-E04.

    >>> [bytes(item) for item in decode_batch(b'[{"id": 1}, 2]')]
    [b'{"id": 1}', b'2']
    """
    try:
        return _decode_items(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise not_json(str(error)) from None
