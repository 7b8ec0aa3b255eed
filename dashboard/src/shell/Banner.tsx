/** What must not be overlooked: back in time, the connection lost, the venue silent. */

import { useCell, useChannel } from "../data/hooks";
import { connection, instantFailure } from "../data/venue";
import { count } from "../format/numbers";
import { instant } from "../format/times";
import { Icon } from "../parts/Icon";
import { Link } from "./Link";
import { goToInstant } from "./router";
import { useCondition } from "./useCondition";

export function Banner() {
  const condition = useCondition();
  const { data: health } = useChannel("health.1000ms");
  const failure = useCell(instantFailure);
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
  if (condition.kind === "as_of") {
    const isThere = health?.as_of_seq === condition.seq;
    return (
      <div className="banner" role="status">
        <Icon name="time" />
        <span>
          <strong>Back in time:</strong> every panel shows event {count(condition.seq)}
          {isThere && `, ${instant(health?.time_us)}`}. Nothing here is of now.
        </span>
        <button type="button" className="button" onClick={() => goToInstant(null)}>
          Return to now
        </button>
        <Link href="/time">Choose another instant</Link>
      </div>
    );
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
