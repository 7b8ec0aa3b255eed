/** The condition of the page, followed each second: one clock for all who ask. */

import { useSyncExternalStore } from "react";
import { asOfSeq } from "../data/as_of";
import { type Condition, conditionOf } from "../data/condition";
import { Cell } from "../data/emitter";
import { connection, isReady, storeOf } from "../data/venue";

const health = storeOf("health.1000ms");
const condition = new Cell<Condition>({ kind: "connecting" });

function look(): void {
  const found = conditionOf(
    connection.link.get(),
    isReady.get(),
    health.get().data,
    connection.heardAtMs,
    performance.now(),
    asOfSeq.get(),
  );
  const before = condition.get();
  if (JSON.stringify(found) !== JSON.stringify(before)) condition.set(found);
}

/** Follow the connection and the venue's own word for as long as the page is open. */
export function startCondition(): void {
  health.subscribe(look);
  connection.link.subscribe(look);
  isReady.subscribe(look);
  asOfSeq.subscribe(look);
  setInterval(look, 500);
  look();
}

export function useCondition(): Condition {
  return useSyncExternalStore(condition.subscribe, condition.get);
}
