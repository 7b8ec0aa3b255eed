/** The event feed, newest first. */

import { useChannel } from "../../data/hooks";
import { count } from "../../format/numbers";
import { clock } from "../../format/times";
import { Empty, Panel, Shown } from "../../parts";
import { Link } from "../../shell/Link";
import { accountPath, goToInstant } from "../../shell/router";
import type { EventData } from "../../wire";

const LINES = 100;
const OF_UNITS = new Set(["state", "close", "orders", "fund", "debt"]);

export function Events() {
  const { data, word } = useChannel("events.200ms");
  return (
    <Panel title="Events" note="newest first, UTC" isFlush className="overview-events">
      <Shown data={data} word={word} what="events" lines={6}>
        {({ events }) =>
          events.length === 0 ? (
            <Empty title="Nothing has happened yet">
              Closes, states and sources are told here.
            </Empty>
          ) : (
            <ol className="events" aria-label="Events, newest first">
              {events
                .slice(-LINES)
                .reverse()
                .map((event) => (
                  <Line key={keyOf(event)} event={event} />
                ))}
            </ol>
          )
        }
      </Shown>
    </Panel>
  );
}

const keyOf = (event: EventData) => `${event.seq} ${event.subject} ${event.kind} ${event.text}`;

function Line({ event }: { event: EventData }) {
  return (
    <li className={`event event-${event.kind}`}>
      <button
        type="button"
        className="event-time"
        title={`Show every panel as of event ${count(event.seq)}`}
        onClick={() => goToInstant(event.seq)}
      >
        <time>{clock(event.time_us)}</time>
      </button>
      <span className="event-subject">
        {OF_UNITS.has(event.kind) ? (
          <Link href={accountPath(event.subject)}>{event.subject}</Link>
        ) : (
          event.subject
        )}
      </span>
      <span className="event-text" title={event.text}>
        {event.text}
      </span>
    </li>
  );
}
