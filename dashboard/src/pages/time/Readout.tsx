/** What is shown: the event, its instant, how far from now, and the way there while it takes time. */

import { useAsOf } from "../../data/hooks";
import type { Journey } from "../../data/journey";
import { count } from "../../format/numbers";
import { age, instant } from "../../format/times";
import { goToInstant } from "../../shell/router";
import type { HealthData, JournalSpan } from "../../wire";
import { type Scale, timeOf } from "./scale";

export function Readout({
  span,
  scale,
  seq,
  going,
  health,
}: {
  span: JournalSpan;
  scale: Scale;
  seq: number;
  going: Journey | null;
  health: HealthData | null;
}) {
  const asOf = useAsOf();
  const isExact = health !== null && health.as_of_seq === seq;
  const timeUs = isExact ? health.time_us : timeOf(scale, seq);
  const behind = span.last_seq - seq;
  return (
    <div className="readout">
      <dl>
        <div>
          <dt>Event</dt>
          <dd>{asOf === null ? count(health?.as_of_seq ?? span.last_seq) : count(seq)}</dd>
        </div>
        <div>
          <dt>Instant</dt>
          <dd>
            {asOf === null ? instant(health?.time_us) : `${isExact ? "" : "≈ "}${instant(timeUs)}`}
          </dd>
        </div>
        <div>
          <dt>From now</dt>
          <dd>
            {asOf === null
              ? "this is now"
              : `${age(span.last_us - timeUs)} and ${count(behind)} events ago`}
          </dd>
        </div>
      </dl>
      <Way span={span} going={going} />
      <Doubts span={span} />
    </div>
  );
}

/** The place of this line is kept, so that nothing moves when a way begins. */
function Way({ span, going }: { span: JournalSpan; going: Journey | null }) {
  if (going === null || going.to === null) {
    return <p className="way muted">{going ? "Returning to now…" : wayWords(span)}</p>;
  }
  const { to, from, fraction } = going;
  return (
    <p className="way" role="status">
      <span>Going to event {count(to)}</span>
      <progress aria-label="Replay" {...(fraction !== null && { value: fraction })} max={1} />
      {fraction !== null && <span className="num">{Math.floor(fraction * 100)} %</span>}
      <button type="button" className="button is-quiet" onClick={() => goToInstant(from, true)}>
        Cancel
      </button>
    </p>
  );
}

function wayWords(span: JournalSpan): string {
  const ms = span.seconds_per_event === null ? 0 : span.seconds_per_event * 1e3;
  return `The journal is replayed from ${count(span.starts.length)} starts, ${ms.toFixed(1)} ms an event.`;
}

function Doubts({ span }: { span: JournalSpan }) {
  return (
    <>
      {span.difference && (
        <p className="bad" role="alert">
          A replay differs from the journal from event {count(span.difference_seq)} on:{" "}
          {span.difference}. Nothing is told from there.
        </p>
      )}
      {span.damages.map((damage) => (
        <p className="doubt" key={damage.seq}>
          Event {count(damage.seq)} cannot be read: {damage.text}
        </p>
      ))}
    </>
  );
}
