"""The engine: one event at a time, through the rooms, to outcomes.

    submit(event)
      admit      refuse what breaks a rule; nothing has changed yet
      append     the event goes to the journal before it is applied
      apply      marks → valuation → margin → decisions → actions
      append     the outcomes go beside it, under the same seq

The engine owns all mutable state and lends it to the rooms. Its only clock is the events'; the
performance counter is read to measure, never to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from steelyard.actions import DepthState, Outcome, Venue
from steelyard.book import Book, SystemLedger, slot_of
from steelyard.engine.admission import admit
from steelyard.engine.apply import apply_event
from steelyard.engine.cadence import Cadence
from steelyard.engine.controls import Controls
from steelyard.engine.pass_ import run_pass
from steelyard.engine.queries import EngineQueries
from steelyard.engine.refusals import refuse
from steelyard.engine.shard import Shard, shard_of_slot
from steelyard.engine.stopwatch import Stopwatch
from steelyard.margin import AccountRisk
from steelyard.marks import MarketState
from steelyard.quantities import InvariantError
from steelyard.terms import MarginMode, Method
from steelyard.ticks import AccountsLoaded, Event, OrderReserved, encode_event
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.revalue import configure

KIND_EVENT, KIND_OUTCOMES, KIND_CHECKPOINT = range(3)

AppendRecord = Callable[[int, int, bytes], int]
"""(seq, kind, payload) → position: how the engine writes to a journal."""

_OUTCOMES = msgspec.msgpack.Encoder(order="deterministic")


class Receipt(NamedTuple):
    """What became of a submitted event: its seq, its journal position and what it caused."""

    seq: int
    position: int
    outcomes: list[Outcome]


class Engine(EngineQueries):
    """The deterministic core. Use `create_engine` or `open_engine` to get one with a journal."""

    def __init__(self, method: Method, shards: int = 1, append: AppendRecord | None = None) -> None:
        super().__init__()
        assert 1 <= shards <= 256
        self.method = method
        self.market = MarketState()
        self.columns = ValuationColumns()
        self.grid = configure(self.columns, self.market, method)
        self.ledger = SystemLedger()
        self.ledger.widen(1, 0)
        self.depth = DepthState()
        self.shards = [Shard(number, 1) for number in range(shards)]
        self.places: dict[str, tuple[Shard, int]] = {}
        self.origin_seqs: dict[str, int] = {}
        self.expiries: list[tuple[int, int]] = []
        self.valued_at_us: dict[int, int] = {}
        self.seq = 0
        self.needs_pass = False
        self.controls = Controls()
        self.append = append
        self.stopped: BaseException | None = None
        self.on_decision: Callable[[str, AccountRisk], None] | None = None
        self.stopwatch = Stopwatch()
        self.cadence = Cadence()
        self.venue = Venue(
            self.market, self.ledger, self.depth, method, self.locate, self.equity_of
        )
        self.revalue([0])

    def submit(self, event: Event) -> Receipt:
        """Take one event through the whole loop.

        Errors: InputError or TermsError from admission (the engine is as before), JournalError when
        the journal cannot be written (the engine must stop), InvariantError when money would not sum
        to zero (the engine must stop; the journal holds the event that did it).
        """
        if self.stopped is not None:
            if isinstance(event, OrderReserved):
                refuse("CTRL-E11", event, "order", "the engine runs", "wait until it runs again")
            raise InvariantError(f"the engine stopped at seq {self.seq}: {self.stopped}")
        watch = self.stopwatch
        watch.start()
        admit(self, event)
        watch.lap("admit")
        seq = self.seq + 1
        position = self._append(seq, KIND_EVENT, encode_event(event))
        watch.lap("journal")
        try:
            outcomes = self.apply(event)
        except BaseException as error:
            # Half an event may have been applied: nothing may be built on that.
            self.stopped = error
            raise
        if outcomes:
            self._append(seq, KIND_OUTCOMES, encode_outcomes(outcomes))
        watch.lap("journal")
        watch.stop()
        return Receipt(seq, position, outcomes)

    def apply(self, event: Event) -> list[Outcome]:
        """Apply an admitted event: the same function live and in replay."""
        self.seq += 1
        self.origin_seqs[event.origin] = event.origin_seq
        outcomes = apply_event(self, event)
        was_due = self.needs_pass or bool(self.touched)
        outcomes += run_pass(self)
        if was_due:
            self.cadence.decided(event, self.mark_ages_us())
        return outcomes

    def load_only(self, event: AccountsLoaded) -> list[Outcome]:
        """Admit and load accounts without a pass and without a journal: to be asked, not run."""
        admit(self, event)
        self.seq += 1
        self.origin_seqs[event.origin] = event.origin_seq
        return apply_event(self, event)

    def _append(self, seq: int, kind: int, payload: bytes) -> int:
        return self.append(seq, kind, payload) if self.append is not None else 0

    # -- placing ---------------------------------------------------------------------------------

    def add_unit(self, name: str, mode: MarginMode) -> tuple[Book, int]:
        """Open a margin unit in the shard that owns its slot."""
        shard = self.shards[shard_of_slot(slot_of(name), len(self.shards))]
        shard.book.widen_assets(len(self.market.assets))
        row = shard.book.add_unit(name, mode)
        shard.fit()
        self.places[name] = shard, row
        return shard.book, row


def encode_outcomes(outcomes: list[Outcome]) -> bytes:
    """Return the bytes the journal keeps of what an event caused."""
    return _OUTCOMES.encode(outcomes)
