/** What the table shows, kept in the address: a link to it shows the same. */

import { useCallback, useMemo } from "react";
import { NEAREST_FIRST, type SortColumn, type Wish } from "../../data/accounts_order";
import { navigate, useRoute } from "../../shell/router";

const COLUMNS: ReadonlySet<string> = new Set<SortColumn>([
  "unit",
  "mode",
  "state",
  "margin_ratio",
  "buffer",
  "equity",
  "initial_balance",
  "initial_requirement",
  "maintenance_balance",
  "maintenance_requirement",
  "positions",
]);

export function wishIn(search: string): Wish {
  const query = new URLSearchParams(search);
  const sort = query.get("sort") ?? "";
  const column = sort.replace(/^-/, "");
  return {
    column: COLUMNS.has(column) ? (column as SortColumn) : NEAREST_FIRST.column,
    isDescending: sort.startsWith("-"),
    search: query.get("q") ?? "",
    states: new Set(query.getAll("state")),
    modes: new Set(query.getAll("mode")),
  };
}

export function pathOfWish(wish: Wish): string {
  const query = new URLSearchParams();
  if (wish.search) query.set("q", wish.search);
  for (const state of wish.states) query.append("state", state);
  for (const mode of wish.modes) query.append("mode", mode);
  if (wish.column !== NEAREST_FIRST.column || wish.isDescending) {
    query.set("sort", (wish.isDescending ? "-" : "") + wish.column);
  }
  const text = query.toString();
  return text ? `/accounts?${text}` : "/accounts";
}

export function useWish(): [Wish, (wish: Wish) => void] {
  const { search } = useRoute();
  const wish = useMemo(() => wishIn(search), [search]);
  const setWish = useCallback((next: Wish) => navigate(pathOfWish(next), true), []);
  return [wish, setWish];
}

/** The set with the name put in, or taken out where it is in. */
export function toggled(names: ReadonlySet<string>, name: string): Set<string> {
  const next = new Set(names);
  if (!next.delete(name)) next.add(name);
  return next;
}
