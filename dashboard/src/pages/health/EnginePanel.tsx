/** How the engine is doing: what it has decided, what the disk holds, and where a tick's time goes. */

import { count, fixed, percent } from "../../format/numbers";
import { type Figure, KeyFigures, Panel } from "../../parts";
import type { HealthData } from "../../wire";

export function EnginePanel({ health }: { health: HealthData }) {
  const shares = Object.entries(health.shares)
    .map(([room, share]) => ({ room, share: share ?? 0 }))
    .filter(({ share }) => share >= 0.0005);
  return (
    <>
      {health.failure && (
        <div className="note note-failed" role="alert">
          <strong>The engine stopped</strong>
          <p>{health.failure}</p>
        </div>
      )}
      <KeyFigures label="The engine" figures={figures(health)} />
      <Panel
        title="Where a tick's time goes"
        note="share of the measured time, by room of the engine"
      >
        <div className="shares" role="img" aria-label={told(shares)}>
          {shares.map(({ room, share }, place) => (
            <i
              key={room}
              className={`share series-${(place % 6) + 1}`}
              style={{ flexGrow: share }}
              title={`${room} ${percent(share, 1)}`}
            />
          ))}
        </div>
        <ul className="share-words" aria-hidden="true">
          {shares.map(({ room, share }, place) => (
            <li key={room}>
              <i className={`swatch series-${(place % 6) + 1}`} />
              {room} <span className="num">{percent(share, 1)}</span>
            </li>
          ))}
        </ul>
      </Panel>
    </>
  );
}

function told(shares: { room: string; share: number }[]): string {
  return shares.map(({ room, share }) => `${room} ${percent(share, 1)}`).join(", ");
}

function figures(health: HealthData): Figure[] {
  const behind = health.as_of_seq - health.durable_seq;
  return [
    {
      name: "State",
      value: health.failure ? "stopped" : health.is_stale ? "stale" : "live",
      note: `stale after ${fixed(health.stale_after_us / 1e6)} s of silence`,
      ...((health.is_stale || health.failure) && { tone: "bad" as const }),
    },
    { name: "Events", value: fixed(health.events_per_second, 0), note: "a second, lately" },
    {
      name: "Event",
      value: count(health.as_of_seq),
      note: behind > 0 ? `${count(behind)} not on the disk yet` : "all on the disk",
    },
    { name: "Decision p50", value: milliseconds(health.decision_p50_us), note: "tick to decision" },
    { name: "Decision p99", value: milliseconds(health.decision_p99_us), note: "tick to decision" },
    { name: "Disk p50", value: milliseconds(health.flush_p50_us), note: "one commit" },
    { name: "Disk p99", value: milliseconds(health.flush_p99_us), note: "one commit" },
  ];
}

function milliseconds(us: number | null) {
  return (
    <span>
      {us == null ? fixed(null) : fixed(us / 1e3, 2)}
      <span className="unit"> ms</span>
    </span>
  );
}
