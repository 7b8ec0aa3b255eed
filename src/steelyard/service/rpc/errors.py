"""The closed table of error numbers, and what becomes of a failure on the wire.

The numbers below zero are JSON-RPC's. Those above are Deribit's, with Deribit's short names, so that a
client which knows them does the right thing: source Deribit API v2.1.1, "RPC Error Codes". Deribit says
"request entity too large" for a body beyond its limit under -32600, and so do we.

An expected failure (`SteelyardError`) finds its number by its own code, by the reason that it names, or by
its kind, in this order. What it says goes into `error.data`: reason, param, code, rule, cure, where. An
unexpected one is -32603 with the name of an incident, and says nothing of its cause: a text that nobody
wrote for a caller may hold what no caller should read.

RPCJ-E01 … E03   a body beyond a limit                RPCJ-E08   params that do not fit the method
RPCJ-E04         no JSON                              RPCJ-E09   nobody is proven to ask
RPCJ-E05         no request of JSON-RPC 2.0           RPCJ-E10   the scope is missing
RPCJ-E06         a batch of none or too many          RPCJ-E11   a command where questions are answered
RPCJ-E07         a method that is not there           RPCJ-E12   the service failed
RPCJ-E13         a key that is there twice
"""

from __future__ import annotations

from typing import NamedTuple

from steelyard.quantities.errors import (
    InputError,
    JournalError,
    LedgerError,
    MarketError,
    SteelyardError,
    TermsError,
)
from steelyard.service.rpc.messages import ErrorBody, ErrorData

REASON_CHARACTERS_MAX = 500
PLACE_CHARACTERS_MAX = 200
PLACES_MAX = 16


class Published(NamedTuple):
    """A number on the wire: its short message, what it means, and the status of HTTP that goes with it."""

    code: int
    message: str
    meaning: str
    http_status: int


PARSE_ERROR = Published(-32700, "Parse error", "the bytes are no JSON", 400)
INVALID_REQUEST = Published(-32600, "Invalid Request", "the JSON is no request", 400)
TOO_LARGE = Published(-32600, "request entity too large", "the body is beyond its limit", 413)
METHOD_NOT_FOUND = Published(-32601, "Method not found", "no method has this name", 404)
INVALID_PARAMS = Published(-32602, "Invalid params", "a parameter does not fit", 400)
INTERNAL_ERROR = Published(-32603, "Internal error", "the service failed", 500)
ERROR = Published(10001, "error", "a failure without a number of its own", 400)
ORDER_NOT_FOUND = Published(10004, "order_not_found", "no order has this name", 404)
NOT_ENOUGH_FUNDS = Published(10009, "not_enough_funds", "the margin does not suffice", 400)
TOO_MANY_REQUESTS = Published(10028, "too_many_requests", "the credits do not suffice", 429)
NOT_OWNER_OF_ORDER = Published(10029, "not_owner_of_order", "the order is somebody else's", 403)
RETRY = Published(10040, "retry", "not now; the same request will do later", 503)
INVALID_ARGUMENTS = Published(11029, "invalid_arguments", "the arguments do not go together", 400)
OTHER_REJECT = Published(11030, "other_reject", "the ledger or a control refuses it", 400)
BAD_REQUEST = Published(11050, "bad_request", "the request was not understood", 400)
INVALID_CREDENTIALS = Published(13004, "invalid_credentials", "key or proof are wrong", 401)
UNAUTHORIZED = Published(13009, "unauthorized", "nobody is proven to ask", 401)
NOT_FOUND = Published(13020, "not_found", "no instrument has this name", 404)
FORBIDDEN = Published(13021, "forbidden", "the caller may not do this", 403)
TEMPORARILY_UNAVAILABLE = Published(
    13028, "temporarily_unavailable", "a price that is needed is not there yet", 503
)
UNAVAILABLE = Published(13503, "unavailable", "the journal does not take it", 503)

TABLE: tuple[Published, ...] = (
    PARSE_ERROR, INVALID_REQUEST, TOO_LARGE, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR, ERROR,
    ORDER_NOT_FOUND, NOT_ENOUGH_FUNDS, TOO_MANY_REQUESTS, NOT_OWNER_OF_ORDER, RETRY, INVALID_ARGUMENTS, OTHER_REJECT, BAD_REQUEST,
    INVALID_CREDENTIALS, UNAUTHORIZED, NOT_FOUND, FORBIDDEN, TEMPORARILY_UNAVAILABLE, UNAVAILABLE,
)  # fmt: skip

BY_REASON: dict[str, Published] = {each.message: each for each in TABLE}
BY_CODE: dict[str, Published] = {
    "RPCJ-E01": TOO_LARGE,
    "RPCJ-E02": INVALID_REQUEST,
    "RPCJ-E03": INVALID_REQUEST,
    "RPCJ-E04": PARSE_ERROR,
    "RPCJ-E05": INVALID_REQUEST,
    "RPCJ-E06": INVALID_REQUEST,
    "RPCJ-E07": METHOD_NOT_FOUND,
    "RPCJ-E08": INVALID_PARAMS,
    "RPCJ-E09": UNAUTHORIZED,
    "RPCJ-E10": FORBIDDEN,
    "RPCJ-E11": INVALID_REQUEST,
    "RPCJ-E12": INTERNAL_ERROR,
    "RPCJ-E13": INVALID_REQUEST,
    "ADMT-E06": NOT_ENOUGH_FUNDS,
    "CTRL-E01": OTHER_REJECT,
    "CTRL-E02": OTHER_REJECT,
    "CTRL-E03": OTHER_REJECT,
    "CTRL-E04": ORDER_NOT_FOUND,
    "CTRL-E05": OTHER_REJECT,
    "CTRL-E09": RETRY,
    "CTRL-E11": UNAVAILABLE,
    "ANSW-E03": FORBIDDEN,  # an account of somebody else, or of nobody: the two are not told apart
    "ANSW-E06": INVALID_ARGUMENTS,
    "ANSW-E07": NOT_FOUND,
}
BY_KIND: tuple[tuple[type[SteelyardError], Published], ...] = (
    (InputError, INVALID_PARAMS),
    (TermsError, INVALID_ARGUMENTS),
    (MarketError, TEMPORARILY_UNAVAILABLE),
    (JournalError, UNAVAILABLE),
    (LedgerError, OTHER_REJECT),
    (SteelyardError, ERROR),
)


class CallError(InputError):
    """A call is refused before its method sees it.

    nearest: names like the one that is not known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        rule: str,
        cure: str,
        nearest: tuple[str, ...] = (),
        **where: object,
    ) -> None:
        self.nearest = nearest
        super().__init__(code, message, rule=rule, cure=cure, **where)


def published(error: SteelyardError) -> Published:
    """Return the number of an expected failure: by its code, the reason it names, or its kind.

    >>> published(MarketError("MARK-E01", "no mark", rule="r", cure="c")).message
    'temporarily_unavailable'
    """
    found = BY_CODE.get(error.code)
    if found is None:
        found = BY_REASON.get(str(getattr(error, "reason", "")))
    if found is not None:
        return found
    return next(number for kind, number in BY_KIND if isinstance(error, kind))


def body_of(error: SteelyardError) -> ErrorBody:
    """Return what the wire says of an expected failure; long texts are cut.

    >>> body = body_of(InputError("TICK-E03", "price is −1", rule="a price is above zero",
    ...                           cure="mend the source", field="price", row=7))
    >>> body.code, body.message, body.data.param, body.data.where
    (-32602, 'Invalid params', 'price', {'row': '7'})
    """
    number = published(error)
    where = dict(error.where)
    field = where.pop("field", "")
    retry = where.pop("retry_after_us", None)
    data = ErrorData(
        reason=clipped(error.message, REASON_CHARACTERS_MAX),
        code=error.code,
        rule=clipped(error.rule, REASON_CHARACTERS_MAX),
        cure=clipped(error.cure, REASON_CHARACTERS_MAX),
        param=clipped(field, PLACE_CHARACTERS_MAX),
        where={
            clipped(name, PLACE_CHARACTERS_MAX): clipped(place, PLACE_CHARACTERS_MAX)
            for name, place in list(where.items())[:PLACES_MAX]
        },
        nearest=tuple(getattr(error, "nearest", ())),
        retry_after_us=retry if isinstance(retry, int) else None,
    )
    return ErrorBody(number.code, number.message, data)


def incident_body(incident: str) -> ErrorBody:
    """Return what the wire says of an unexpected failure: the name of the incident and no more.

    >>> incident_body("5f2-1").data.reason
    'the service failed; nothing is known of the request'
    """
    data = ErrorData(
        reason="the service failed; nothing is known of the request",
        code="RPCJ-E12",
        rule="every request has an answer",
        cure=f"tell who runs the service the incident {incident}",
        incident=incident,
    )
    return ErrorBody(INTERNAL_ERROR.code, INTERNAL_ERROR.message, data)


def clipped(text: object, characters_max: int) -> str:
    """Return a text that can be written as UTF-8, cut to a length.

    >>> clipped("abc" + chr(0xD800), 4), clipped("abcdef", 4)
    ('abc?', 'abc…')
    """
    plain = str(text)
    if len(plain) > characters_max:
        plain = plain[: characters_max - 1] + "…"
    return plain.encode("utf-8", "replace").decode()
