/** Which page is shown: the path of the address, through the History API. */

import { useSyncExternalStore } from "react";
import { asOfIn, asOfSeq, withAsOf } from "../data/as_of";
import { Emitter } from "../data/emitter";

export type PageName =
  | "overview"
  | "accounts"
  | "account"
  | "volatility"
  | "health"
  | "liquidations"
  | "parameters"
  | "time"
  | "transparency"
  | "unknown";

export interface Route {
  page: PageName;
  /** The margin unit or asset in the path, decoded; "" without one. */
  name: string;
  path: string;
}

const TOP: Record<string, PageName> = {
  "": "overview",
  accounts: "accounts",
  volatility: "volatility",
  health: "health",
  liquidations: "liquidations",
  parameters: "parameters",
  time: "time",
  transparency: "transparency",
};

export function routeOf(path: string): Route {
  const [first = "", second = "", ...more] = path.split("/").slice(1);
  let name: string;
  try {
    name = decodeURIComponent(second);
  } catch {
    return { page: "unknown", name: "", path };
  }
  const page = TOP[first];
  if (page === undefined || more.some(Boolean)) return { page: "unknown", name: "", path };
  if (!name) return { page, name: "", path };
  if (page === "accounts") return { page: "account", name, path };
  if (page === "volatility") return { page, name, path };
  return { page: "unknown", name: "", path };
}

export const accountPath = (unit: string): string => `/accounts/${encodeURIComponent(unit)}`;

const moved = new Emitter();
let route = routeOf(typeof location === "undefined" ? "/" : location.pathname);

function arrive(): void {
  route = routeOf(location.pathname);
  asOfSeq.set(asOfIn(location.search));
  moved.emit();
}

if (typeof window !== "undefined") window.addEventListener("popstate", arrive);

/** Go to a path; the instant that is shown goes along. A query in the path is kept. */
export function navigate(path: string, isReplacing = false): void {
  const [place = "/", query = ""] = path.split("?");
  const search = withAsOf(query, asOfSeq.get());
  if (place + search === location.pathname + location.search) return;
  history[isReplacing ? "replaceState" : "pushState"](null, "", place + search);
  arrive();
}

/** Show another instant on the same page; null: now. */
export function goToInstant(seq: number | null): void {
  history.pushState(null, "", location.pathname + withAsOf(location.search, seq));
  arrive();
}

export function useRoute(): Route {
  return useSyncExternalStore(moved.subscribe, () => route);
}
