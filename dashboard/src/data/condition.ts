/** In what condition the page is: live, or why not. One word for the top bar and for every panel. */

import type { HealthData } from "../wire";
import type { Link } from "./connection";

export type Condition =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "stale"; because: "venue" | "connection"; seconds: number }
  | { kind: "disconnected"; retryInS: number }
  | { kind: "as_of"; seq: number };

/** Without any message for so long the page says so, though the connection claims to be open. */
export const SILENCE_MS = 5_000;

export function conditionOf(
  link: Link,
  isReady: boolean,
  health: HealthData | null,
  heardAtMs: number,
  nowMs: number,
  asOf: number | null,
): Condition {
  if (link.kind === "disconnected") {
    return {
      kind: "disconnected",
      retryInS: Math.max(0, Math.ceil((link.retryAtMs - nowMs) / 1_000)),
    };
  }
  if (link.kind !== "open" || !isReady) return { kind: "connecting" };
  if (asOf !== null) return { kind: "as_of", seq: asOf };
  const silentMs = nowMs - heardAtMs;
  if (silentMs > SILENCE_MS) {
    return { kind: "stale", because: "connection", seconds: Math.floor(silentMs / 1_000) };
  }
  if (health?.is_stale) {
    return { kind: "stale", because: "venue", seconds: Math.round(health.stale_after_us / 1e6) };
  }
  return { kind: "live" };
}

export function conditionWords(condition: Condition): string {
  switch (condition.kind) {
    case "connecting":
      return "Connecting";
    case "live":
      return "Live";
    case "stale":
      return condition.because === "venue"
        ? `Stale: no event for ${condition.seconds} s or more`
        : `Stale: nothing heard for ${condition.seconds} s`;
    case "disconnected":
      return condition.retryInS > 0
        ? `Disconnected, next try in ${condition.retryInS} s`
        : "Disconnected, trying now";
    case "as_of":
      return `As of event ${condition.seq.toLocaleString("en-US")}`;
  }
}
