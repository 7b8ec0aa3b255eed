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
  /** The query of the address. */
  search: string;
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

export function routeOf(path: string, search = ""): Route {
  return { ...placeOf(path), path, search };
}

function placeOf(path: string): Pick<Route, "page" | "name"> {
  const [first = "", second = "", ...more] = path.split("/").slice(1);
  let name: string;
  try {
    name = decodeURIComponent(second);
  } catch {
    return { page: "unknown", name: "" };
  }
  const page = TOP[first];
  if (page === undefined || more.some(Boolean)) return { page: "unknown", name: "" };
  if (!name) return { page, name: "" };
  if (page === "accounts") return { page: "account", name };
  if (page === "volatility") return { page, name };
  return { page: "unknown", name: "" };
}

export const accountPath = (unit: string): string => `/accounts/${encodeURIComponent(unit)}`;

const moved = new Emitter();
let route =
  typeof location === "undefined" ? routeOf("/") : routeOf(location.pathname, location.search);

function arrive(): void {
  route = routeOf(location.pathname, location.search);
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

/** Show another instant on the same page; null: now. isReplacing: as one step of a longer way. */
export function goToInstant(seq: number | null, isReplacing = false): void {
  const place = location.pathname + withAsOf(location.search, seq);
  history[isReplacing ? "replaceState" : "pushState"](null, "", place);
  arrive();
}

export function useRoute(): Route {
  return useSyncExternalStore(moved.subscribe, () => route);
}
