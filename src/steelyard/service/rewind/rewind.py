"""Rewind: what the process of the engine asks the second process, and the checks before it does.

A request is checked here as the live dispatcher checks it (limits, scope, credits, params) and refused
before the other process hears of it. What passes is answered there, by the same methods on a desk as of
the event asked for, in the same form: usIn and usOut are of now, as_of_seq is of then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from inspect import iscoroutinefunction
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.session import SCOPES, Session
from steelyard.service.answers.desk import Context, Desk
from steelyard.service.rewind.ahead import LookAhead
from steelyard.service.rewind.errors import too_long
from steelyard.service.rewind.impact import ROWS, Change, ImpactReport
from steelyard.service.rewind.liquidation import LiquidationMap
from steelyard.service.rewind.messages import (
    Answer,
    Ask,
    Call,
    ChannelOf,
    Incident,
    Question,
    SeqAt,
    SpanOf,
)
from steelyard.service.rewind.methods import (
    AheadParams,
    ImpactParams,
    MapParams,
    all_methods,
    rewind_methods,
)
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.process import OnProgress, WorkerProcess
from steelyard.service.rewind.survey import Span
from steelyard.service.rewind.whole import whole_methods
from steelyard.service.rpc.dispatch import BATCH_REQUESTS_MAX, Charge, Clock, Dispatcher
from steelyard.service.rpc.dispatch import Incident as RpcIncident
from steelyard.service.rpc.errors import body_of
from steelyard.service.rpc.limits import check_limits
from steelyard.service.rpc.messages import (
    Failure,
    check_text,
    decode_batch,
    encode,
    is_batch,
    read_id,
)
from steelyard.service.rpc.registry import Method, Registry

TIMEOUT_S = 120.0
WAITING_MAX = 64
SILENT_S_MAX = 120.0
THE_SERVICE = Session("service", frozenset(SCOPES), None)
"""The session of what the service asks on its own behalf; whoever uses it has checked the caller."""


class WorkerFailure(Exception):
    """What an incident in the second process said."""


class Rewind:
    """Answers as of other events and of other states of the world. Use as an async context manager.

    path: the journal. charge: takes a call's credits or raises, as for the live dispatcher. methods: what
    may be asked, for the checks here; the second process has those of `options.methods`. beside: methods that are
    answered in this process, as of the event that their desk says: what only the live service remembers. timeout_s: of one
    question. waiting_max: questions under way, at most.
    """

    def __init__(
        self,
        path: Path,
        options: RewindOptions | None = None,
        *,
        charge: Charge = lambda *_: None,
        on_incident: Callable[[RpcIncident], object] = lambda _: None,
        clock: Clock = lambda: time.time_ns() // 1_000,
        methods: Iterable[Method] | None = None,
        beside: Iterable[Method] = (),
        timeout_s: float = TIMEOUT_S,
        waiting_max: int = WAITING_MAX,
        silent_s_max: float = SILENT_S_MAX,
    ) -> None:
        self.options = options or RewindOptions()
        self._clock = clock
        self._timeout_s = timeout_s
        self._on_incident = on_incident
        self._numbers = count(1)
        self._newest: dict[Hashable, tuple[int | None, set[int]]] = {}
        self._passed = False
        known = tuple(all_methods() if methods is None else methods)
        self._registry = Registry([*map(self._gated, known), *beside])
        self._gate = Dispatcher(
            self._registry, charge=charge, on_incident=on_incident, testnet=self.options.testnet
        )
        self.process = WorkerProcess(
            path, self.options, self._told, waiting_max=waiting_max, silent_s_max=silent_s_max
        )

    async def start(self) -> None:
        """Start the second process; what is asked before it is ready waits for it."""
        self.process.start()

    async def close(self) -> None:
        """End the second process; what waits is refused."""
        await self.process.close()

    async def __aenter__(self) -> Rewind:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- as the live service answers -------------------------------------------------------------

    async def ask(
        self,
        raw: bytes,
        session: Session,
        as_of_seq: int | None = None,
        address: str = "",
        *,
        reader: Hashable | None = None,
        on_progress: OnProgress | None = None,
    ) -> bytes | None:
        """Return the answer to a request or a batch as of an event, None where no answer is wanted.

        as_of_seq: None is the last durable one. reader: whose question it is; of one reader only questions
        of the newest instant are worked on. on_progress: told the fraction done of a long replay. Never
        raises for what is asked: a refusal is an answer.
        """
        try:
            ceiling = self._registry.ceiling(
                session.scopes if not session.is_anonymous else frozenset()
            )
            check_limits(raw, ceiling)
            if not raw.isascii():
                check_text(raw)
            members = decode_batch(raw) if is_batch(raw) else None
        except SteelyardError:
            return self._checked(raw, session, as_of_seq, address)[0]
        if members is None:
            return await self._ask_one(raw, session, as_of_seq, address, reader, on_progress)
        if not 0 < len(members) <= BATCH_REQUESTS_MAX:
            return self._checked(raw, session, as_of_seq, address)[0]
        told = [
            await self._ask_one(bytes(member), session, as_of_seq, address, reader, on_progress)
            for member in members
        ]
        answers = [each for each in told if each is not None]
        return b"[" + b",".join(answers) + b"]" if answers else None

    async def _ask_one(
        self,
        raw: bytes,
        session: Session,
        as_of_seq: int | None,
        address: str,
        reader: Hashable | None,
        on_progress: OnProgress | None,
    ) -> bytes | None:
        us_in = self._clock()
        refused, has_passed = self._checked(raw, session, as_of_seq, address)
        if not has_passed:
            return refused
        question = Ask(next(self._numbers), raw, session, as_of_seq, address, us_in)
        try:
            return (await self._sent(question, as_of_seq, reader, on_progress)).body
        except SteelyardError as error:
            us_out = max(us_in, self._clock())
            failure = Failure(
                id=read_id(raw), error=body_of(error), usIn=us_in, usOut=us_out,
                usDiff=us_out - us_in, testnet=self.options.testnet, as_of_seq=as_of_seq,
            )  # fmt: skip
            return encode(failure)

    def _checked(
        self, raw: bytes, session: Session, as_of_seq: int | None, address: str
    ) -> tuple[bytes | None, bool]:
        """Return the refusal of a request, and whether it is none: the way to its method was free."""
        self._passed = False
        desk = cast(Desk, _AsOf(as_of_seq))
        answer = self._gate.answer(raw, session, desk, self._clock, address=address)
        return answer, self._passed

    def _gated(self, method: Method) -> Method:
        """Return a method that only notes that it was reached; a command stays one, to be refused."""
        if iscoroutinefunction(method.handler):
            return method

        def reached(params: Any, context: Context) -> None:  # noqa: ARG001
            self._passed = True

        return msgspec.structs.replace(method, handler=reached)

    async def channel(
        self,
        name: str,
        session: Session,
        as_of_seq: int,
        *,
        reader: Hashable | None = None,
        on_progress: OnProgress | None = None,
    ) -> bytes | None:
        """Return the snapshot notification of a channel as of an event, None where it had nothing to say.

        Errors: RWND-E01 … E06, E08, and what the channel refuses.
        """
        question = ChannelOf(next(self._numbers), name, session, as_of_seq)
        return (await self._sent(question, as_of_seq, reader, on_progress)).body

    def methods(self) -> tuple[Method, ...]:
        """Return the methods of this room for the registry of the live dispatcher.

        They are answered there as of the last durable event, by `respond_later`; those of `whole` about all of
        the journal.
        """
        forwarded = (
            msgspec.structs.replace(method, handler=self._forwarding(method.name))
            for method in rewind_methods()
        )
        return (*forwarded, *whole_methods(self))

    def _forwarding(self, name: str) -> Callable[[Any, Context], Awaitable[msgspec.Raw]]:
        async def forward(params: Any, context: Context) -> msgspec.Raw:
            session = cast(Session, context.session)
            return msgspec.Raw(await self.call(name, params, session))

        return forward

    # -- as functions ----------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        params: msgspec.Struct,
        session: Session = THE_SERVICE,
        as_of_seq: int | None = None,
        *,
        reader: Hashable | None = None,
        on_progress: OnProgress | None = None,
    ) -> bytes:
        """Return the JSON of a method's result. Errors: RWND-E01 … E06, and those of the method."""
        question = Call(
            next(self._numbers), method, encode(params), session, as_of_seq, self._clock()
        )
        body = (await self._sent(question, as_of_seq, reader, on_progress)).body
        assert body is not None
        return body

    async def liquidation_map(
        self, params: MapParams | None = None, as_of_seq: int | None = None
    ) -> list[LiquidationMap]:
        """Return what would be liquidatable at moved prices; see `liquidation`."""
        body = await self.call(
            "private/liquidation_map", params or MapParams(), as_of_seq=as_of_seq
        )
        return msgspec.json.decode(body, type=list[LiquidationMap])

    async def impact(
        self,
        changes: Sequence[Change | tuple[str, str]],
        rows: int = ROWS,
        as_of_seq: int | None = None,
    ) -> ImpactReport:
        """Return what changes of parameters would do; see `impact`. Errors: TERM-E03, TERM-E04.

        changes: or (path, value as JSON text) each.
        """
        named = (each if isinstance(each, Change) else Change(*each) for each in changes)
        params = ImpactParams(tuple(named), rows)
        body = await self.call("private/parameter_impact", params, as_of_seq=as_of_seq)
        return msgspec.json.decode(body, type=ImpactReport)

    async def look_ahead(self, params: AheadParams, as_of_seq: int | None = None) -> LookAhead:
        """Return what an account will need later; see `ahead`. Errors: ANSW-E03."""
        body = await self.call("private/look_ahead", params, as_of_seq=as_of_seq)
        return msgspec.json.decode(body, type=LookAhead)

    async def seq_at(self, time_us: int) -> int:
        """Return the last durable event at or before an instant, 0 where there is none."""
        found = await self._sent(SeqAt(next(self._numbers), time_us), None, None, None)
        return found.seq

    async def span(self) -> Span:
        """Return what can be gone to, and the marks worth looking at."""
        found = await self._sent(SpanOf(next(self._numbers)), None, None, None)
        assert found.body is not None
        return msgspec.json.decode(found.body, type=Span)

    # -- sending ---------------------------------------------------------------------------------

    async def _sent(
        self,
        question: Question,
        as_of_seq: int | None,
        reader: Hashable | None,
        on_progress: OnProgress | None,
    ) -> Answer:
        """Return the answer to a question; it is dropped in the other process when nobody waits."""
        number = question.number
        if reader is not None:
            self._overtake(reader, as_of_seq, number)
        try:
            waiting = self.process.ask(question, on_progress)
            async with asyncio.timeout(self._timeout_s):
                return await waiting.future
        except TimeoutError:
            raise too_long(self._timeout_s) from None
        finally:
            self.process.drop(number)
            if reader is not None:
                self._settle(reader, number)

    def _overtake(self, reader: Hashable, as_of_seq: int | None, number: int) -> None:
        """Drop what a reader asked of another instant before."""
        instant, numbers = self._newest.get(reader, (as_of_seq, set()))
        if instant != as_of_seq:
            for older in list(numbers):
                self.process.drop(older, is_overtaken=True)
            numbers = set()
        self._newest[reader] = as_of_seq, numbers | {number}

    def _settle(self, reader: Hashable, number: int) -> None:
        instant, numbers = self._newest.get(reader, (None, set()))
        left = numbers - {number}
        if left:
            self._newest[reader] = instant, left
        elif numbers:
            del self._newest[reader]

    def _told(self, incident: Incident) -> None:
        error = WorkerFailure(incident.said)
        self._on_incident(
            RpcIncident(incident.name, incident.method, incident.key_id, incident.time_us, error)
        )


class _AsOf:
    """A desk of which only its number is read: nothing that is refused has touched another."""

    def __init__(self, seq: int | None) -> None:
        self.seq = seq

    def as_of_seq(self) -> int | None:
        """Return the event asked for, None for the last durable one."""
        return self.seq
