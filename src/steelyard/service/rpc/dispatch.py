"""From the bytes of a request to the bytes of its answer, without a transport and never with an exception.

    limits → decoding → the method → who may call it → credits → params → the handler → encoding

Each step refuses with an error of the table before the next one is reached, so what is refused has touched
neither engine nor desk: of these, only the sequence number is read for the answer. Whoever runs the service
brings what differs between services: the clock, what a call is charged to, and where incidents are told.

A method whose handler is `async` is a command: its answer waits until what it did is durable. Commands are
served by `respond_later`, on the loop of the engine; `respond` refuses them before their handler is called.
`begin` does not wait itself: a transport that has other requests to read gets what is to be awaited, and may
route a call that was admitted to somewhere else, a thread or another process.

RPCJ-E11 a command was sent to where only questions are answered
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import Any, NamedTuple

import msgspec

from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.access.errors import TooManyRequests
from steelyard.service.access.matrix import PUBLIC
from steelyard.service.access.session import Session
from steelyard.service.answers.desk import Context, Desk
from steelyard.service.rpc.decimals import check_finite, encode_finite
from steelyard.service.rpc.errors import INTERNAL_ERROR as INTERNAL
from steelyard.service.rpc.errors import CallError, body_of, incident_body, published
from steelyard.service.rpc.limits import Limits, check_limits
from steelyard.service.rpc.messages import (
    Envelope,
    ErrorBody,
    Failure,
    Id,
    Response,
    check_text,
    decode_batch,
    decode_request,
    encode,
    is_batch,
    read_id,
)
from steelyard.service.rpc.params import decode_params
from steelyard.service.rpc.query import from_query
from steelyard.service.rpc.registry import Entry, Method, Registry
from steelyard.service.rpc.unique import check_unique

BATCH_REQUESTS_MAX = 50
OK, NO_CONTENT = 200, 204

Clock = Callable[[], int]
"""Returns UTC microseconds since 1970."""

Charge = Callable[[Session, Method, int, str], object]
"""(session, method, time_us, address): takes the credits of a call, or raises the error that refuses it."""

ChargeFault = Callable[[Session, SteelyardError, int, str], object]
"""(session, refusal, time_us, address): takes what a refusal costs, or raises what is told instead of it."""


class Incident(NamedTuple):
    """An unexpected failure, for those who run the service: the answer carries `name` alone.

    An `InvariantError` comes here as well: whoever is told of it stops the engine and keeps its journal.
    """

    name: str
    method: str
    key_id: str
    time_us: int
    error: Exception


class Answer(NamedTuple):
    """The bytes of an answer, None where none is wanted, and the status of HTTP that goes with them.

    retry_after_us: when the same request is served, of one that was refused for its credits.
    """

    body: bytes | None
    http_status: int
    retry_after_us: int | None = None


class Waiting(NamedTuple):
    """An answer that is to be awaited. name: the method's, "" of a batch."""

    name: str
    doing: Awaitable[Answer]


class Call(NamedTuple):
    """A call that was admitted and paid for, before its handler; raw: its bytes, None from a query."""

    entry: Entry
    params: Any
    context: Context
    raw: bytes | None


class Elsewhere(NamedTuple):
    """What somebody else makes of a call: the JSON of a result as of a desk, or without one the whole answer."""

    make: Callable[[], Awaitable[bytes]]
    desk: Desk | None


ContextMaker = Callable[[Session, Desk, int], Context]
Route = Callable[[Call], Elsewhere | None]
"""Says where a call is served; None is here and at once."""


OnAnswer = Callable[[str, str, int], object]
"""(method, outcome, microseconds): is told of an answer."""


class _Asked(NamedTuple):
    """What is known of a request before it is read. waits: the commands that are waited for, None for all."""

    session: Session
    desk: Desk
    clock: Clock
    us_in: int
    ceiling: Limits
    address: str
    waits: frozenset[str] | None = frozenset()
    context_of: ContextMaker = Context
    route: Route | None = None
    name: str = ""


class Dispatcher:
    """Answers requests with the methods of a registry.

    charge: takes a call's credits or raises. charge_fault: takes what a request costs that is refused before
    its credits are taken, or raises; nothing is taken without it. on_incident: is told of every unexpected failure; what it
    raises itself is dropped. testnet: what answers say of the market. A notification is served and not
    answered, though JSON-RPC's errors of a body that is no request always are. on_answer: is told of every
    answer: the method as asked for, "ok", the code of the error or "elsewhere", and the microseconds it took.

    >>> from steelyard.service.access.session import ANONYMOUS
    >>> from steelyard.service.rpc.registry import NoParams
    >>> class Version(msgspec.Struct):
    ...     version: str
    >>> test = Method(name="public/test", handler=lambda params, context: Version("1.2.26"),
    ...               params=NoParams, result=Version, scope="public", credits=0, is_private=False,
    ...               summary="Says who answers")
    >>> class Desk:
    ...     def as_of_seq(self):
    ...         return 41
    >>> ticks = iter(range(1_767_225_600_000_000, 1_767_225_600_001_000, 30))
    >>> service = Dispatcher(Registry([test]), charge=lambda *call: None, on_incident=print)
    >>> ask = lambda text: print(service.answer(text, ANONYMOUS, Desk(), lambda: next(ticks)).decode())
    >>> ask(b'{"jsonrpc": "2.0", "id": 5, "method": "public/test", "params": {}}')
    {"jsonrpc":"2.0","id":5,"result":{"version":"1.2.26"},"usIn":1767225600000000,\
"usOut":1767225600000030,"usDiff":30,"testnet":false,"as_of_seq":41}
    >>> ask(b'{"jsonrpc": "2.0", "id": 6, "method": "public/rest"}')
    {"jsonrpc":"2.0","id":6,"error":{"code":-32601,"message":"Method not found","data":{"reason":\
"there is no method 'public/rest'","code":"RPCJ-E07","rule":"a method is one of those that rpc.discover \
lists","cure":"did you mean public/test?","where":{"method":"public/rest"},"nearest":["public/test"]}},\
"usIn":1767225600000060,"usOut":1767225600000090,"usDiff":30,"testnet":false,"as_of_seq":41}
    """

    def __init__(
        self,
        registry: Registry,
        *,
        charge: Charge,
        on_incident: Callable[[Incident], object],
        charge_fault: ChargeFault | None = None,
        testnet: bool = False,
        batch_requests_max: int = BATCH_REQUESTS_MAX,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self.registry = registry
        self.on_answer = on_answer
        self._charge = charge
        self._charge_fault = charge_fault
        self._on_incident = on_incident
        self._testnet = testnet
        self._batch_requests_max = batch_requests_max
        self._incidents = count(1)

    def answer(
        self, raw: bytes, session: Session, desk: Desk, clock: Clock, *, address: str = ""
    ) -> bytes | None:
        """Return the answer to a request or a batch, None where only notifications were sent.

        address: where it came from, for whom credits are counted that nobody is proven to own.
        """
        return self.respond(raw, session, desk, clock, address=address).body

    def respond(
        self, raw: bytes, session: Session, desk: Desk, clock: Clock, *, address: str = ""
    ) -> Answer:
        """Return the answer with its status of HTTP; a batch that is read has 200."""
        asked = self._asked(session, desk, clock, address)
        try:
            try:
                if self._is_batch(raw, asked):
                    return self._joined([_now(self._one(m, asked)) for m in self._members(raw)])
            except SteelyardError as error:
                return self._faulty(None, error, asked)
            return _now(self._one(raw, asked))
        except Exception as error:
            return self._failed(None, "", error, asked)

    async def respond_later(
        self, raw: bytes, session: Session, desk: Desk, clock: Clock, *, address: str = ""
    ) -> Answer:
        """Return what `respond` would, commands included: those are answered when they are durable.

        The members of a batch are served one after another, in their order; a question among them is
        answered at once, so without commands nothing is waited for.
        """
        found = self.begin(raw, session, desk, clock, address=address)
        return found if isinstance(found, Answer) else await found.doing

    def begin(
        self,
        raw: bytes,
        session: Session,
        desk: Desk,
        clock: Clock,
        *,
        address: str = "",
        context_of: ContextMaker = Context,
        route: Route | None = None,
    ) -> Answer | Waiting:
        """Return the answer, or what is to be awaited for it; whichever it is, the call was admitted now.

        context_of: makes what handlers are told. route: may have a call served elsewhere. A batch with
        anything to wait for is awaited as a whole, its members one after another.
        """
        asked = self._asked(session, desk, clock, address, None, context_of, route)
        try:
            try:
                if self._is_batch(raw, asked):
                    return Waiting("", self._batched(self._members(raw), asked))
            except SteelyardError as error:
                return self._faulty(None, error, asked)
            return self._one(raw, asked)
        except Exception as error:
            return self._failed(None, "", error, asked)

    async def _batched(self, members: list[bytes], asked: _Asked) -> Answer:
        answers = []
        for member in members:
            found = self._one(member, asked)
            answers.append(found if isinstance(found, Answer) else await found.doing)
        return self._joined(answers)

    def respond_query(
        self,
        path: str,
        pairs: Iterable[tuple[str, str]],
        session: Session,
        desk: Desk,
        clock: Clock,
        *,
        address: str = "",
    ) -> Answer:
        """Return the answer to a path and query pairs, the GET form; its id is null."""
        return _now(self._query(path, pairs, self._asked(session, desk, clock, address)))

    def begin_query(
        self,
        path: str,
        pairs: Iterable[tuple[str, str]],
        session: Session,
        desk: Desk,
        clock: Clock,
        *,
        address: str = "",
        context_of: ContextMaker = Context,
        route: Route | None = None,
        waits: frozenset[str] = frozenset(),
    ) -> Answer | Waiting:
        """Return what `respond_query` would, or what is to be awaited for it, as `begin` does.

        waits: the commands that may be given by a query; a query is easily sent by mistake.
        """
        asked = self._asked(session, desk, clock, address, waits, context_of, route)
        return self._query(path, pairs, asked)

    def _query(
        self, path: str, pairs: Iterable[tuple[str, str]], asked: _Asked
    ) -> Answer | Waiting:
        try:
            try:
                request = from_query(self.registry, path, pairs)
            except SteelyardError as error:
                return self._faulty(None, error, asked)
            return self._served(request.method, request, request.params, None, asked)
        except Exception as error:
            return self._failed(None, "", error, asked)

    def refuse(
        self, error: SteelyardError, session: Session, desk: Desk, clock: Clock, *, raw: bytes = b""
    ) -> Answer:
        """Return the answer to a request that a transport refuses; raw: where its id is read from."""
        asked = self._asked(session, desk, clock, "")
        return self._refused(read_id(raw) if raw else None, error, asked)

    def _asked(
        self,
        session: Session,
        desk: Desk,
        clock: Clock,
        address: str,
        waits: frozenset[str] | None = frozenset(),
        context_of: ContextMaker = Context,
        route: Route | None = None,
    ) -> _Asked:
        scopes: frozenset[str] = frozenset() if session.is_anonymous else session.scopes
        ceiling = self.registry.ceiling(scopes)
        return _Asked(session, desk, clock, clock(), ceiling, address, waits, context_of, route)

    def _is_batch(self, raw: bytes, asked: _Asked) -> bool:
        """Return whether a body within its limits is a batch. Errors: RPCJ-E01 … E04."""
        check_limits(raw, asked.ceiling)
        if not raw.isascii():
            check_text(raw)
        return raw[:1] != b"{" and is_batch(raw)

    def _members(self, raw: bytes) -> list[bytes]:
        """Return the members of a batch. Errors: RPCJ-E04, RPCJ-E06."""
        members = decode_batch(raw)
        if not 0 < len(members) <= self._batch_requests_max:
            raise InputError(
                "RPCJ-E06", f"the batch has {len(members)} requests",
                rule=f"a batch has 1 to {self._batch_requests_max} requests",
                cure="send them in several batches",
            )  # fmt: skip
        return [bytes(member) for member in members]

    def _joined(self, answers: list[Answer]) -> Answer:
        """Return the answers to the members of a batch as one, in their order."""
        told = [answer.body for answer in answers if answer.body is not None]
        return Answer(b"[" + b",".join(told) + b"]", OK) if told else Answer(None, NO_CONTENT)

    def _one(self, raw: bytes, asked: _Asked) -> Answer | Waiting:
        """Return the answer to one request; a sound one is decoded in one pass."""
        try:
            check_unique(raw)
            whole = self.registry.decode_whole(raw)
            if whole is not None:
                entry, envelope, params = whole
                return self._served(entry.method.name, envelope, (entry, params), raw, asked)
            request = decode_request(raw)
        except SteelyardError as error:
            return self._faulty(read_id(raw), error, asked)
        return self._served(request.method, request, request.params, raw, asked)

    def _served(
        self,
        name: str,
        request: Envelope,
        given: msgspec.Raw | tuple[Entry, Any],
        raw: bytes | None,
        asked: _Asked,
    ) -> Answer | Waiting:
        """Return the answer of a request, or what is awaited for it.

        given: its params as text, or its method and params where they are decoded. raw: its bytes where
        the method's limits are still to be checked.
        """
        identity = None if isinstance(request.id, msgspec.UnsetType) else request.id
        is_paid = False
        if self.on_answer is not None:
            asked = asked._replace(name=name)
        try:
            entry, params = given if isinstance(given, tuple) else (self.registry.find(name), None)
            self._admit(entry, raw, asked)
            is_paid = True
            if not isinstance(given, tuple):
                params = decode_params(entry, given)
            if entry.has_decimal_params:
                check_finite(params)
            context = asked.context_of(asked.session, asked.desk, asked.us_in)
            if asked.route is not None:
                routed = asked.route(Call(entry, params, context, raw))
                if routed is not None:
                    return Waiting(name, self._elsewhere(routed, entry, request, identity, asked))
            found = entry.method.handler(params, context)
            if entry.is_command:
                return Waiting(name, self._commanded(found, entry, request, identity, asked))
            answer = self._told(identity, encoded(found, entry), asked)
        except SteelyardError as error:
            refused = self._refused if is_paid else self._faulty
            answer = refused(identity, error, asked)
        except Exception as error:
            answer = self._failed(identity, name, error, asked)
        return Answer(None, NO_CONTENT) if request.is_notification else answer

    async def _elsewhere(
        self, routed: Elsewhere, entry: Entry, request: Envelope, identity: Id, asked: _Asked
    ) -> Answer:
        """Return the answer of a call that is served elsewhere."""
        try:
            body = await routed.make()
            if routed.desk is None:
                answer = Answer(body, OK)
                self._observe("elsewhere", max(asked.us_in, asked.clock()), asked)
            else:
                answer = self._told(identity, body, asked._replace(desk=routed.desk))
        except SteelyardError as error:
            answer = self._refused(identity, error, asked)
        except Exception as error:
            answer = self._failed(identity, entry.method.name, error, asked)
        return Answer(None, NO_CONTENT) if request.is_notification else answer

    async def _commanded(
        self, doing: Awaitable[Any], entry: Entry, request: Envelope, identity: Id, asked: _Asked
    ) -> Answer:
        """Return the answer of a command, once its handler has seen it become durable."""
        try:
            answer = self._told(identity, encoded(await doing, entry), asked)
        except SteelyardError as error:
            answer = self._refused(identity, error, asked)
        except Exception as error:
            answer = self._failed(identity, entry.method.name, error, asked)
        return Answer(None, NO_CONTENT) if request.is_notification else answer

    def _admit(self, entry: Entry, raw: bytes | None, asked: _Asked) -> None:
        """Raise what refuses a call before its params are looked at; take its credits."""
        method = entry.method
        if raw is not None and method.limits != asked.ceiling:
            check_limits(raw, method.limits)
        permit(method, asked.session)
        if entry.is_command and asked.waits is not None and method.name not in asked.waits:
            raise _is_command(method)
        self._charge(asked.session, method, asked.us_in, asked.address)

    def _told(self, identity: Id, result: bytes, asked: _Asked) -> Answer:
        us_out = max(asked.us_in, asked.clock())
        response = Response(
            id=identity, result=msgspec.Raw(result), usIn=asked.us_in, usOut=us_out, usDiff=us_out - asked.us_in,
            testnet=self._testnet, as_of_seq=self._as_of_seq(asked),
        )  # fmt: skip
        self._observe("ok", us_out, asked)
        return Answer(encode(response), OK)

    def _observe(self, outcome: str, us_out: int, asked: _Asked) -> None:
        if self.on_answer is not None:
            self.on_answer(asked.name, outcome, us_out - asked.us_in)

    def _refused(self, identity: Id, error: SteelyardError, asked: _Asked) -> Answer:
        """Return the answer of an expected failure."""
        status = published(error).http_status
        answer = self._failure(identity, body_of(error), status, asked, error.code)
        retry_after_us = error.where.get("retry_after_us")
        if isinstance(retry_after_us, int):
            return answer._replace(retry_after_us=retry_after_us)
        return answer

    def _faulty(self, identity: Id, error: SteelyardError, asked: _Asked) -> Answer:
        """Return the answer of a request that is refused before its credits were taken."""
        if self._charge_fault is not None and not isinstance(error, TooManyRequests):
            try:
                self._charge_fault(asked.session, error, asked.us_in, asked.address)
            except SteelyardError as refusal:
                error = refusal
        return self._refused(identity, error, asked)

    def _failed(self, identity: Id, method: str, error: Exception, asked: _Asked) -> Answer:
        """Return the answer of an unexpected failure, and tell of the incident."""
        name = self._report(method, error, asked)
        return self._failure(
            identity, incident_body(name), INTERNAL.http_status, asked, "incident"
        )  # fmt: skip

    def _failure(
        self, identity: Id, body: ErrorBody, http_status: int, asked: _Asked, outcome: str
    ) -> Answer:
        us_out = max(asked.us_in, asked.clock())
        self._observe(outcome, us_out, asked)
        failure = Failure(
            id=identity, error=body, usIn=asked.us_in, usOut=us_out, usDiff=us_out - asked.us_in,
            testnet=self._testnet, as_of_seq=self._as_of_seq(asked),
        )  # fmt: skip
        return Answer(encode(failure), http_status)

    def _as_of_seq(self, asked: _Asked) -> int | None:
        """Return the sequence number of the desk's state; a desk that cannot say is an incident."""
        try:
            return asked.desk.as_of_seq()
        except Exception as error:
            self._report("", error, asked)
            return None

    def _report(self, method: str, error: Exception, asked: _Asked) -> str:
        """Tell of an incident and return its name."""
        name = f"{asked.us_in:x}-{next(self._incidents)}"
        try:
            self._on_incident(Incident(name, method, asked.session.key_id, asked.us_in, error))
        except Exception:  # the caller's answer does not hang on whoever writes the log
            return name
        return name


def encoded(found: object, entry: Entry) -> bytes:
    """Return a result as JSON."""
    return encode_finite(found) if entry.has_decimal_result else encode(found)


def _now(found: Answer | Waiting) -> Answer:
    """Return an answer that nothing was waited for; commands were refused on the way."""
    assert isinstance(found, Answer)
    return found


def _is_command(method: Method) -> CallError:
    return CallError(
        "RPCJ-E11", f"{method.name} is a command",
        rule="a command is answered when it is durable, which this way of asking does not wait for",
        cure="send it by POST, or over a WebSocket, without as_of_seq", method=method.name,
    )  # fmt: skip


def permit(method: Method, session: Session) -> None:
    """Raise RPCJ-E09 where nobody is proven and a method is private, RPCJ-E10 where the scope is missing.

    >>> from steelyard.service.rpc.registry import NoParams
    >>> cure = Method(name="private/cure", handler=print, params=NoParams, result=str, scope="risk",
    ...               credits=1, is_private=True, summary="What restores an account")
    >>> permit(cure, Session("desk", frozenset({"risk"}), None))
    >>> permit(cure, Session("desk", frozenset({"read"}), None))
    Traceback (most recent call last):
    steelyard.service.rpc.errors.CallError: RPCJ-E10: the key does not have the scope risk \
(method=private/cure, scope=risk). Rule: private/cure needs the scope risk. Cure: use a key that has it.
    """
    if method.scope == PUBLIC:
        return
    if session.is_anonymous:
        raise CallError(
            "RPCJ-E09", "nobody is proven to ask", rule="private methods answer proven callers",
            cure="call public/auth first, or sign the request", method=method.name,
        )  # fmt: skip
    if method.scope not in session.scopes:
        raise CallError(
            "RPCJ-E10", f"the key does not have the scope {method.scope}",
            rule=f"{method.name} needs the scope {method.scope}", cure="use a key that has it",
            method=method.name, scope=method.scope,
        )  # fmt: skip
