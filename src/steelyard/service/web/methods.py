"""The methods that belong to a connection: proving who asks, signs of life, subscriptions, and the past.

They stand in the registry beside the others, so rpc.discover lists them and the matrix of access has their
rows. What they act on comes with the context: the `Link` that the request came over. Over HTTP those that need a
connection are refused (WEBT-E03); public/auth, public/hello and public/test are answered there as well.

Names, parameters and results are Deribit's, but private/set_as_of, which is ours. `private/subscribe` and
`public/subscribe` differ in nothing but that the first needs a proven key: a channel says itself who may read it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import msgspec

from steelyard.service.access.session import Session
from steelyard.service.access.signing import AuthSignature
from steelyard.service.access.tokens import Tokens
from steelyard.service.answers.desk import Context
from steelyard.service.rpc.registry import Method, NoParams
from steelyard.service.web.errors import (
    WebError,
    no_past,
    not_a_grant,
    only_over_socket,
    out_of_bounds,
)

if TYPE_CHECKING:
    from steelyard.service.web.service import Service

Text = Annotated[str, msgspec.Meta(max_length=1024)]
Channel = Annotated[str, msgspec.Meta(max_length=256)]
STATE_CHARACTERS_MAX = 256


class Link(Protocol):
    """What a request came over: one HTTP request, or a WebSocket connection (is_socket)."""

    @property
    def service(self) -> Service:
        """What is served."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    @property
    def name(self) -> str:
        """The connection's name for tokens; "" over HTTP."""

    @property
    def is_socket(self) -> bool:
        """Return whether it is a connection."""


class Socket(Link, Protocol):
    """A WebSocket connection."""

    def authenticate(self, tokens: Tokens) -> None:
        """Be the session of these tokens from now on."""

    def log_out(self, is_revoked: bool) -> None:
        """Be nobody, and close once the answer is sent."""

    def set_heartbeat(self, interval_s: int | None) -> None:
        """Send heartbeats, or no more."""

    def subscribe(self, channels: list[str]) -> list[str]:
        """Return the names that are now subscribed."""

    def unsubscribe(self, channels: list[str] | None) -> list[str]:
        """Return the names that are no longer subscribed."""

    def go_to(self, as_of_seq: int | None) -> None:
        """Be at an event of the past, or at the present."""


class LinkContext(Context, frozen=True):
    """What a handler of a connection is told."""

    link: Any


class AuthParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of public/auth; which belong together says the grant type.

    client_credentials: client_id, client_secret. client_signature: client_id, timestamp (ms), nonce, data,
    signature. refresh_token: refresh_token. page_code: code. scope narrows what is granted; state is told back.
    """

    grant_type: Literal["client_credentials", "client_signature", "refresh_token", "page_code"]
    client_id: Text = ""
    client_secret: Text = ""
    timestamp: int | None = None
    nonce: Text = ""
    data: Text = ""
    signature: Text = ""
    refresh_token: Text = ""
    code: Text = ""
    scope: Text = ""
    state: Annotated[str, msgspec.Meta(max_length=STATE_CHARACTERS_MAX)] | None = None

    def __repr__(self) -> str:
        return f"AuthParams({self.grant_type}, …)"


class Authenticated(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of public/auth, by Deribit's names; expires_in in seconds. key_id: ours."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str
    token_type: str
    key_id: str
    state: str | None
    enabled_features: list[str]

    def __repr__(self) -> str:
        return f"Authenticated({self.key_id}, …)"


class HelloParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who the program is that asks."""

    client_name: Text
    client_version: Text


class TestParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """expected_result "exception" is answered with an error, to try one's own handling of errors."""

    expected_result: Literal["exception"] | None = None


class Version(msgspec.Struct, frozen=True):
    """The version of the service."""

    version: str


class HeartbeatParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """interval: seconds between signs of life."""

    interval: int


class ChannelParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """channels: their names; label is taken and changes nothing."""

    channels: list[Channel]
    label: Text = ""


class LogoutParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """invalidate_token: whether the tokens of the connection end with it."""

    invalidate_token: bool = True


class AsOfParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event by its number or by an instant (UTC microseconds); neither, or null, is the present."""

    as_of_seq: Annotated[int, msgspec.Meta(ge=0)] | None = None
    time_us: Annotated[int, msgspec.Meta(ge=0)] | None = None


class AsOf(msgspec.Struct, frozen=True):
    """Where the connection is: at an event, or null for the present."""

    set_to_seq: int | None


_PARTS = {
    "client_credentials": ("client_id", "client_secret"),
    "client_signature": ("client_id", "timestamp", "nonce", "signature", "data"),
    "refresh_token": ("refresh_token",),
    "page_code": ("code",),
}
_OPTIONAL = ("data",)


async def auth(params: AuthParams, context: LinkContext) -> Authenticated:
    """Return tokens for a proof; a connection is that session from then on.

    Errors: ACCS-E10 … E35, ACCS-E40, WEBT-E07.
    """
    _check_parts(params)
    link: Link = context.link
    service, address = link.service, link.address
    if params.grant_type == "refresh_token":
        tokens = _refreshed(params, context)
    else:
        session = await _proven(params, context)
        tokens = service.tokens.issue(
            session, service.clock(), scope=params.scope, connection=link.name, address=address
        )
    if link.is_socket:
        context.link.authenticate(tokens)
    key_id = service.tokens.session(
        tokens.access_token, service.clock(), connection=link.name, address=address
    ).key_id
    return Authenticated(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in, scope=tokens.scope, token_type=tokens.token_type,
        key_id=key_id, state=params.state, enabled_features=[],
    )  # fmt: skip


def _check_parts(params: AuthParams) -> None:
    grant = params.grant_type
    needed = _PARTS[grant]
    known = dict.fromkeys(part for parts in _PARTS.values() for part in parts)
    for part in known:
        is_given = getattr(params, part) not in ("", None)
        if is_given != (part in needed) and not (part in needed and part in _OPTIONAL):
            said = f"{part} is {'not a part of' if is_given else 'missing for'} {grant}"
            raise not_a_grant(grant, said, ", ".join(needed))


async def _proven(params: AuthParams, context: LinkContext) -> Session:
    link: Link = context.link
    service, address, time_us = link.service, link.address, context.time_us
    if params.grant_type == "client_credentials":
        return await service.proofs.secret(params.client_id, params.client_secret, time_us, address)
    if params.grant_type == "client_signature":
        signed = AuthSignature(
            params.client_id, params.timestamp or 0, params.nonce, params.data, params.signature
        )
        return service.proofs.signature(signed, time_us, address)
    service.charges.check_address(service.code_cost, time_us, address)
    try:
        return service.codes.redeem(params.code, time_us)
    except Exception:
        service.charges.of_address(service.code_cost, time_us, address)
        raise


def _refreshed(params: AuthParams, context: LinkContext) -> Tokens:
    link: Link = context.link
    service = link.service
    try:
        return service.tokens.refresh(
            params.refresh_token, context.time_us, scope=params.scope, connection=link.name,
            address=link.address,
        )  # fmt: skip
    except Exception:
        service.charges.fault(Session("", frozenset(), None), None, context.time_us, link.address)
        raise


def _socket(context: LinkContext, method: str) -> Socket:
    if not context.link.is_socket:
        raise only_over_socket(method)
    found: Socket = context.link
    return found


async def hello(_params: HelloParams, context: LinkContext) -> Version:
    """Return the version of the service."""
    return Version(context.link.service.version)


async def test(params: TestParams, context: LinkContext) -> Version:
    """Return the version of the service, or fail where that was asked for. Errors: WEBT-E09."""
    if params.expected_result == "exception":
        raise WebError(
            "WEBT-E09", "an exception was asked for", reason="error",
            rule='expected_result "exception" is answered with an error', cure="leave it out",
        )  # fmt: skip
    return Version(context.link.service.version)


async def set_heartbeat(params: HeartbeatParams, context: LinkContext) -> str:
    """Send a heartbeat each interval; close the connection where a test_request is not answered."""
    socket = _socket(context, "public/set_heartbeat")
    low, high = socket.service.settings.heartbeat_s_min, socket.service.settings.heartbeat_s_max
    if not low <= params.interval <= high:
        raise out_of_bounds(
            f"an interval of {params.interval} seconds", f"an interval is {low} to {high} seconds",
            "interval",
        )  # fmt: skip
    socket.set_heartbeat(params.interval)
    return "ok"


async def disable_heartbeat(_params: NoParams, context: LinkContext) -> str:
    """Send no more heartbeats."""
    _socket(context, "public/disable_heartbeat").set_heartbeat(None)
    return "ok"


async def subscribe(params: ChannelParams, context: LinkContext) -> list[str]:
    """Return the channels that are now subscribed. Errors: CHAN-E…, WEBT-E05."""
    socket = _socket(context, "public/subscribe")
    most = socket.service.settings.channels_max
    if not 0 < len(params.channels) <= most:
        raise out_of_bounds(
            f"{len(params.channels)} channels",
            f"1 to {most} channels are named at once",
            "channels",
        )
    return socket.subscribe(params.channels)


async def unsubscribe(params: ChannelParams, context: LinkContext) -> list[str]:
    """Return the channels that are no longer subscribed."""
    return _socket(context, "public/unsubscribe").unsubscribe(params.channels)


async def unsubscribe_all(_params: NoParams, context: LinkContext) -> str:
    """Drop every subscription of the connection."""
    _socket(context, "public/unsubscribe_all").unsubscribe(None)
    return "ok"


async def logout(params: LogoutParams, context: LinkContext) -> str:
    """End the session; the connection closes after the answer."""
    _socket(context, "private/logout").log_out(params.invalidate_token)
    return "ok"


async def set_as_of(params: AsOfParams, context: LinkContext) -> AsOf:
    """Answer this connection as of an event from now on: requests, and one snapshot a subscription.

    Errors: WEBT-E06 where the service keeps no past, or an event has not happened yet.
    """
    socket = _socket(context, "private/set_as_of")
    seq = params.as_of_seq
    if seq is None and params.time_us is None:
        socket.go_to(None)
        return AsOf(None)
    rewind = socket.service.rewind
    if rewind is None:
        raise no_past(
            "this service does not answer as of other events",
            "the past is answered by a second process", "start the service with one",
        )  # fmt: skip
    if seq is not None and params.time_us is not None:
        raise out_of_bounds("an event and an instant", "one of the two is given", "time_us")
    if seq is None:
        seq = await rewind.seq_at(params.time_us or 0)
    latest = context.desk.as_of_seq()
    if seq > latest:
        raise out_of_bounds(f"event {seq}", f"the last event is {latest}", "as_of_seq")
    socket.go_to(seq)
    return AsOf(seq)


Handler = Callable[[Any, LinkContext], Awaitable[Any]]
_ROWS: tuple[tuple[str, Handler, Any, Any, str, int, str], ...] = (
    ("public/auth", auth, AuthParams, Authenticated, "public", 20,
     "Tokens for a secret, a signature, a refresh token or a code of the page"),
    ("public/hello", hello, HelloParams, Version, "public", 1, "Says who asks, and who answers"),
    ("public/test", test, TestParams, Version, "public", 1, "Says who answers; a sign of life"),
    ("public/set_heartbeat", set_heartbeat, HeartbeatParams, str, "public", 5,
     "Heartbeats on this connection"),
    ("public/disable_heartbeat", disable_heartbeat, NoParams, str, "public", 1,
     "No more heartbeats on this connection"),
    ("public/subscribe", subscribe, ChannelParams, list[str], "public", 50,
     "Notifications of channels"),
    ("public/unsubscribe", unsubscribe, ChannelParams, list[str], "public", 5,
     "No more notifications of channels"),
    ("public/unsubscribe_all", unsubscribe_all, NoParams, str, "public", 5,
     "No more notifications"),
    ("private/subscribe", subscribe, ChannelParams, list[str], "read", 50,
     "Notifications of channels"),
    ("private/unsubscribe", unsubscribe, ChannelParams, list[str], "read", 5,
     "No more notifications of channels"),
    ("private/unsubscribe_all", unsubscribe_all, NoParams, str, "read", 5,
     "No more notifications"),
    ("private/logout", logout, LogoutParams, str, "read", 1, "Ends the session and the connection"),
    ("private/set_as_of", set_as_of, AsOfParams, AsOf, "risk", 500,
     "Answers of this connection as of another event"),
)  # fmt: skip
CONNECTION_METHODS = frozenset(row[0] for row in _ROWS)


def connection_methods() -> tuple[Method, ...]:
    """Return the methods of a connection, to be registered beside those that answer."""
    return tuple(
        Method(
            name=name, handler=handler, params=params, result=result, scope=scope, credits=credits,
            is_private=name.startswith("private/"), summary=summary,
        )
        for name, handler, params, result, scope, credits, summary in _ROWS
    )  # fmt: skip
