/** What must not be overlooked: back in time, the connection lost, the venue silent. */

import { useAsOf, useCell, useChannel } from "../data/hooks";
import { journey } from "../data/journey";
import { connection, instantFailure } from "../data/venue";
import { count } from "../format/numbers";
import { instant } from "../format/times";
import { Icon } from "../parts/Icon";
import { Link } from "./Link";
import { goToInstant } from "./router";
import { useCondition } from "./useCondition";

/** The strip of the past, on every page: what is shown, a step on or back, the way there, and out of it. */
function Past({ seq, timeUs }: { seq: number; timeUs: number | null }) {
  const going = useCell(journey);
  const done = going?.fraction ?? null;
  return (
    <div className="banner banner-past">
      <Icon name="time" />
      <span>
        {going !== null ? (
          <>
            <strong>Going back in time</strong> to event {count(seq)}. Panels show what was before
            until it is there.
          </>
        ) : (
          <>
            <strong>Back in time:</strong> every panel shows event {count(seq)}
            {timeUs !== null && `, ${instant(timeUs)}`}. Nothing here is of now.
          </>
        )}
      </span>
      <span className="banner-steps">
        <button
          type="button"
          className="button"
          aria-label="Event before"
          disabled={seq < 1}
          onClick={() => goToInstant(seq - 1, true)}
        >
          ◀
        </button>
        <button
          type="button"
          className="button"
          aria-label="Event after"
          onClick={() => goToInstant(seq + 1, true)}
        >
          ▶
        </button>
      </span>
      <button type="button" className="button" onClick={() => goToInstant(null)}>
        Return to now
      </button>
      <Link href="/time">Choose another instant</Link>
      <span className="banner-way" role="status">
        {going !== null && (
          <>
            <progress aria-label="Replay" {...(done !== null && { value: done })} max={1} />
            {done !== null ? `replaying, ${Math.floor(done * 100)} %` : "going there"}
            <button
              type="button"
              className="button is-quiet"
              onClick={() => goToInstant(going.from, true)}
            >
              Cancel
            </button>
          </>
        )}
      </span>
    </div>
  );
}

export function Banner() {
  const condition = useCondition();
  const { data: health } = useChannel("health.1000ms");
  const failure = useCell(instantFailure);
  const asOf = useAsOf();
  if (condition.kind === "as_of" && failure) {
    return (
      <div className="banner" role="alert">
        <Icon name="alert" />
        <span>
          <strong>Event {count(condition.seq)} cannot be shown:</strong> {failure.reason}.{" "}
          {failure.cure}. What is shown is of now.
        </span>
        <button type="button" className="button" onClick={() => goToInstant(null)}>
          Return to now
        </button>
      </div>
    );
  }
  if (asOf !== null && condition.kind !== "disconnected") {
    return <Past seq={asOf} timeUs={health?.as_of_seq === asOf ? health.time_us : null} />;
  }
  if (condition.kind === "disconnected") {
    return (
      <div className="banner" role="alert">
        <Icon name="alert" />
        <span>
          <strong>Disconnected.</strong> What is shown is as of{" "}
          {health ? instant(health.time_us) : "no event yet"} and ages.
        </span>
        <button type="button" className="button" onClick={() => connection.retryNow()}>
          Connect now
        </button>
      </div>
    );
  }
  if (condition.kind === "stale") {
    return (
      <div className="banner" role="alert">
        <Icon name="alert" />
        <span>
          <strong>Stale.</strong>{" "}
          {condition.because === "venue"
            ? "The venue is connected and takes no events; prices may be old."
            : "The connection is open and silent; prices may be old."}{" "}
          Last event {instant(health?.time_us)}.
        </span>
      </div>
    );
  }
  return null;
}
