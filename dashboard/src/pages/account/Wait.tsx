/** What is under way: how long it has lasted, what it waits for, and how to leave it. */

import { useNow } from "../../data/hooks";
import { age } from "../../format/times";
import type { Asked } from "./asking";

/** Says that credits are waited for; nothing while all is well. */
export function Wait({ asked }: { asked: Pick<Asked<unknown>, "waitsUntilMs"> }) {
  if (asked.waitsUntilMs === null) return null;
  return <Waiting untilMs={asked.waitsUntilMs} />;
}

function Waiting({ untilMs }: { untilMs: number }) {
  const now = useNow(250);
  const left = Math.max(0, untilMs - now);
  return (
    <p className="muted account-pad" role="status">
      This key has spent its credits; asked again in {age(left * 1_000)}.
    </p>
  );
}

/** A heavy question under way, with a way out. */
export function Progress({
  what,
  sinceMs,
  waitsUntilMs,
  onCancel,
}: {
  what: string;
  sinceMs: number;
  waitsUntilMs: number | null;
  onCancel: () => void;
}) {
  const now = useNow(200);
  const isWaiting = waitsUntilMs !== null && waitsUntilMs > now;
  return (
    <div className="progress" role="status">
      <span className="progress-bar" aria-hidden="true">
        <i />
      </span>
      <span>
        {isWaiting
          ? `Waiting for credits, ${age((waitsUntilMs - now) * 1_000)}`
          : `${what}: ${age((now - sinceMs) * 1_000)}`}
      </span>
      <button type="button" className="button" onClick={onCancel}>
        Stop waiting
      </button>
    </div>
  );
}
