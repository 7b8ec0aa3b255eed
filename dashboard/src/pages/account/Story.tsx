/** What happened to the unit, newest first; each line leads to its instant. */

import { withAsOf } from "../../data/as_of";
import { count } from "../../format/numbers";
import { clock, day, instant } from "../../format/times";
import { words } from "../../format/words";
import { Empty, Shown } from "../../parts";
import { goToInstant, useRoute } from "../../shell/router";
import type { EventData } from "../../wire";
import { useRefreshed } from "./asking";
import { useIsSeen } from "./Section";
import { useUnit } from "./unit";

const EVERY_MS = 1_000;

export function Story() {
  const { unit } = useUnit();
  const isSeen = useIsSeen();
  const asked = useRefreshed(
    "private/get_story",
    { account: unit },
    { everyMs: EVERY_MS, isHeld: !isSeen },
  );
  return (
    <Shown data={asked.result} error={asked.error} again={asked.again} what="the story" lines={5}>
      {({ lines }) =>
        lines.length === 0 ? (
          <Empty title="Nothing has happened yet">
            States, cancelled orders and closes are told here, each with its instant.
          </Empty>
        ) : (
          <ol className="story" aria-label="Story, newest first">
            {numbered(lines).map(([key, line]) => (
              <Line key={key} line={line} />
            ))}
          </ol>
        )
      }
    </Shown>
  );
}

/** Newest first, each with a name of its own: one event may say the same of a unit twice. */
function numbered(lines: readonly EventData[]): [string, EventData][] {
  const seen = new Map<string, number>();
  const named = lines.map((line): [string, EventData] => {
    const name = `${line.seq} ${line.subject} ${line.kind} ${line.text}`;
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return [`${name} ${times}`, line];
  });
  return named.reverse();
}

function Line({ line }: { line: EventData }) {
  const { path, search } = useRoute();
  const { unit } = useUnit();
  return (
    <li className={`story-line story-${line.kind}`}>
      <a
        href={path + withAsOf(search, line.seq)}
        title={`${instant(line.time_us)}: show every panel as of event ${count(line.seq)}`}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
          event.preventDefault();
          goToInstant(line.seq);
        }}
      >
        <time dateTime={new Date(line.time_us / 1_000).toISOString()}>
          <span className="sr-only">{day(line.time_us)} </span>
          {clock(line.time_us)}
        </time>
      </a>
      <span className="muted story-kind">{words(line.kind)}</span>
      <span>
        {line.subject !== unit && <span className="muted">{line.subject}: </span>}
        {line.text}
      </span>
    </li>
  );
}
