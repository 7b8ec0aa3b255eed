"""The second process: one thread that replays, answers, and looks at its inbox between two events.

    python -m steelyard.service.rewind.worker JOURNAL OPTIONS-IN-JSON

Questions come in by the standard input and answers go out by the standard output, framed (`messages`).
The question that is soonest done goes first, so a long replay holds up no short one. With nothing asked it
reads marks, follows the journal, which leaves waypoints behind, and then fills in those of the past. It ends
when its input ends.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from steelyard.quantities import JournalError, SteelyardError
from steelyard.service.answers.desk import Context
from steelyard.service.channels import snapshot_of
from steelyard.service.rewind.errors import failed
from steelyard.service.rewind.messages import (
    Alive,
    Answer,
    Ask,
    Call,
    Cancel,
    ChannelOf,
    Frames,
    Incident,
    Message,
    Progress,
    Question,
    SeqAt,
    SpanOf,
    ToWorker,
    framed,
    refusal_of,
)
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.survey import Span, Survey, event_before, seq_at
from steelyard.service.rewind.timeline import Timeline, TimelineOptions
from steelyard.service.rewind.walker import Walker
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.dispatch import Incident as RpcIncident
from steelyard.service.rpc.messages import encode
from steelyard.service.rpc.registry import Registry
from steelyard.ticks import decode_event

SLICE_S = 0.01
IDLE_S = 0.1
ALIVE_EVERY_S = 1.0
PROGRESS_EVERY_S = 0.1
REOPEN_AFTER_S = 1.0
RUNNING_MAX = 2
READ_BYTES = 1 << 18
MEMORY_ENDED = 70
_decode = msgspec.msgpack.Decoder(ToWorker).decode


class Job:
    """A question that needs an engine; work: its generator once it was begun."""

    def __init__(self, question: Ask | Call | ChannelOf) -> None:
        self.question = question
        self.work: Generator[float, None, None] | None = None
        self.told_s = time.monotonic()


class Worker:
    """The loop of the second process over its inbox and outbox."""

    def __init__(self, path: Path, options: RewindOptions, inbox: int, outbox: int) -> None:
        self.path = path
        self.options = options
        self.inbox = inbox
        self.outbox = outbox
        self.frames = Frames()
        self.jobs: dict[int, Job] = {}
        self.timeline: Timeline | None = None
        self.survey: Survey | None = None
        self.is_open = True
        self.registry = Registry(_named(options.methods)())
        self.dispatcher = Dispatcher(
            self.registry,
            charge=lambda *_: None,
            on_incident=self._incident,
            testnet=options.testnet,
        )
        self._opened_s = -REOPEN_AFTER_S
        self._alive_s = 0.0
        self._failure: SteelyardError | None = None

    def run(self) -> None:
        """Work until the input ends."""
        while self.is_open:
            self._beat()
            is_idle = not self.jobs and not self._beside()
            self._receive(IDLE_S if is_idle else 0.0)
            if self.jobs:
                self._work()

    # -- in and out ------------------------------------------------------------------------------

    def _receive(self, timeout_s: float) -> None:
        """Take what has come in, waiting at most so long for it."""
        while self.is_open and select.select([self.inbox], [], [], timeout_s)[0]:
            data = os.read(self.inbox, READ_BYTES)
            if not data:
                self.is_open = False
                return
            for body in self.frames.cut(data):
                self._take(_decode(body))
            timeout_s = 0.0

    def _send(self, message: Message) -> None:
        data = memoryview(framed(message))
        while data:
            data = data[os.write(self.outbox, data) :]

    def _take(self, message: ToWorker) -> None:
        if isinstance(message, Cancel):
            job = self.jobs.pop(message.number, None)
            if job is not None and job.work is not None:
                job.work.close()
        elif isinstance(message, SeqAt | SpanOf):
            self._answered(message, lambda: self._quick(message))
        else:
            self.jobs[message.number] = Job(message)

    def _answered(self, question: Question, work: Callable[[], None]) -> None:
        """Do what answers a question, and tell of an expected failure."""
        try:
            work()
        except SteelyardError as error:
            self._send(refusal_of(question.number, error))

    def _incident(self, incident: RpcIncident) -> None:
        said = f"{type(incident.error).__name__}: {incident.error}"
        self._send(
            Incident(0, incident.name, incident.method, incident.key_id, incident.time_us, said)
        )

    def _beat(self) -> None:
        """Tell now and then that the process works, and keep its memory within bounds."""
        now_s = time.monotonic()
        if now_s - self._alive_s < ALIVE_EVERY_S:
            return
        self._alive_s = now_s
        resident = resident_bytes()
        self._send(Alive(0, resident))
        if resident > 0.8 * self.options.memory_bytes_max and self.timeline is not None:
            self.timeline.shrink()

    # -- working ---------------------------------------------------------------------------------

    def _opened(self) -> Timeline:
        """Return the timeline. Errors: those of opening a journal, tried again after a second."""
        if self.timeline is None:
            now_s = time.monotonic()
            if self._failure is not None and now_s - self._opened_s < REOPEN_AFTER_S:
                raise self._failure
            self._opened_s = now_s
            kept = self.options
            options = TimelineOptions(
                kept.spacing, kept.waypoint_bytes_max, kept.walkers_max, kept.title
            )
            try:
                self.timeline = Timeline(self.path, options)
            except JournalError as error:
                self._failure = error
                raise
            self.survey = Survey(self.timeline.reader)
        return self.timeline

    def _beside(self) -> bool:
        """Follow the journal and read marks for a slice; return whether there may be more of it."""
        end_s = time.monotonic() + SLICE_S
        has_more = True
        while has_more and time.monotonic() < end_s:
            has_more = False
            with suppress(JournalError):  # a question says what is wrong with the journal
                timeline = self._opened()
                assert self.survey is not None
                has_more = self.survey.more()
                if self.options.is_following:
                    has_more |= timeline.follow()
                if self.options.is_filling and not has_more:
                    has_more = timeline.fill()
        return has_more

    def _work(self) -> None:
        """Work for a slice on the question that is soonest done."""
        job = self._chosen()
        try:
            if job.work is None:
                job.work = self._answer(job.question)
            end_s = time.monotonic() + SLICE_S
            for fraction in job.work:
                now_s = time.monotonic()
                if now_s - job.told_s >= PROGRESS_EVERY_S:
                    job.told_s = now_s
                    self._send(Progress(job.question.number, fraction))
                if now_s >= end_s:
                    return
        except SteelyardError as error:
            self._send(refusal_of(job.question.number, error))
        except (MemoryError, BrokenPipeError):
            raise
        except Exception as error:
            self._failed(job.question, error)
        self.jobs.pop(job.question.number, None)

    def _failed(self, question: Ask | Call | ChannelOf, error: Exception) -> None:
        """Tell of a failure outside of the dispatcher; the questions of others go on."""
        name = f"rewind-{os.getpid()}-{question.number}"
        what = question.method if isinstance(question, Call) else ""
        what = question.name if isinstance(question, ChannelOf) else what
        said = f"{type(error).__name__}: {error}"
        key, now_us = question.session.key_id, time.time_ns() // 1_000
        self._send(Incident(0, name, what, key, now_us, said))
        self._send(refusal_of(question.number, failed(name)))

    def _chosen(self) -> Job:
        """Return the job to go on with: the cheapest, and none anew while enough are under way."""
        jobs = list(self.jobs.values())
        begun = [job for job in jobs if job.work is not None]
        if len(begun) >= RUNNING_MAX:
            return begun[-1]
        fresh = [job for job in jobs if job.work is None]
        if not fresh:
            return begun[0]
        cheapest = min(fresh, key=lambda job: self._cost_s(job.question))
        # What is under way is put off only for what a person would not notice.
        return begun[0] if begun and self._cost_s(cheapest.question) > 1.0 else cheapest

    def _cost_s(self, question: Ask | Call | ChannelOf) -> float:
        return 0.0 if self.timeline is None else self.timeline.cost_s(question.as_of_seq)

    def _answer(self, question: Ask | Call | ChannelOf) -> Generator[float, None, None]:
        """Go to the event of a question and answer it there."""
        timeline = self._opened()
        walker = yield from timeline.go(question.as_of_seq)
        try:
            body = self._body(question, walker)
        finally:
            timeline.release(walker)
        self._send(Answer(question.number, body, walker.seq))

    def _body(self, question: Ask | Call | ChannelOf, walker: Walker) -> bytes | None:
        if isinstance(question, Ask):
            clock = _clock_from(question.us_in)
            return self.dispatcher.answer(
                question.raw, question.session, walker.desk, clock, address=question.address
            )
        if isinstance(question, Call):
            entry = self.registry.find(question.method)
            context = Context(question.session, walker.desk, question.us_in)
            return encode(entry.method.handler(entry.decode(question.params), context))
        return snapshot_of(question.name, walker.scene(), question.session)

    def _quick(self, question: SeqAt | SpanOf) -> None:
        """Answer what needs no engine."""
        timeline = self._opened()
        if isinstance(question, SeqAt):
            seq = seq_at(timeline.reader, question.time_us)
            self._send(Answer(question.number, b"%d" % seq, seq))
            return
        assert self.survey is not None
        span = span_of(timeline, self.survey)
        self._send(Answer(question.number, encode(span), span.last_seq))


def span_of(timeline: Timeline, survey: Survey) -> Span:
    """Return what can be gone to as of now."""
    reader = timeline.reader
    first = next(reader.read(1, 1), None)
    last = event_before(reader, reader.durable_position)
    difference = timeline.difference
    return Span(
        first_seq=0 if first is None else first.seq,
        first_us=0 if first is None else decode_event(first.payload).time_us,
        last_seq=0 if last is None else last.seq,
        last_us=0 if last is None else decode_event(last.payload).time_us,
        snapshots=[info.seq for info in timeline.snapshots()],
        waypoints=sorted(timeline.waypoints),
        marks=survey.marks(),
        marks_to_seq=survey.seq,
        difference="" if difference is None else difference.message,
        difference_seq=timeline.difference_seq,
        damages={seq: error.message for seq, error in sorted(timeline.damages.items())},
        unusable_snapshots={s: e.message for s, e in sorted(timeline.unusable.items())},
        event_s=timeline.event_cost.seconds,
        waypoint_s=timeline.unpack_cost.seconds,
        snapshot_s=timeline.restore_cost.seconds,
    )


def resident_bytes() -> int:
    """Return the memory of this process that is resident; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _clock_from(us_in: int) -> Callable[[], int]:
    """Return a clock that says first when the question came in, and then what time it is."""
    first = [us_in]
    return lambda: first.pop() if first else time.time_ns() // 1_000


def _named(place: str) -> Any:
    """Return what stands at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def main(arguments: list[str]) -> int:
    """Run the loop over the standard input and output; what prints goes to the standard error."""
    path, text = arguments
    options = msgspec.json.decode(text, type=RewindOptions)
    outbox = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine's process says when this one ends
    os.nice(options.nice)
    if options.memory_bytes_max:
        bound = options.memory_bytes_max
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    try:
        Worker(Path(path), options, 0, outbox).run()
    except MemoryError:
        return MEMORY_ENDED
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
