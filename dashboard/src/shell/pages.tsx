/** The pages by name; each is a chunk of its own, fetched when it is first shown. */

import { type ComponentType, lazy } from "react";
import type { PageName } from "./router";

export interface PageProps {
  /** The margin unit or asset in the path; "" without one. */
  name: string;
}

type Module = { default: ComponentType<PageProps> };

const LOADERS: Record<PageName, () => Promise<Module>> = {
  overview: () => import("../pages/overview"),
  accounts: () => import("../pages/accounts"),
  account: () => import("../pages/account"),
  volatility: () => import("../pages/volatility"),
  health: () => import("../pages/health"),
  liquidations: () => import("../pages/liquidations"),
  parameters: () => import("../pages/parameters"),
  time: () => import("../pages/time"),
  transparency: () => import("../pages/transparency"),
  unknown: () => import("../pages/unknown"),
};

export const PAGES = Object.fromEntries(
  Object.entries(LOADERS).map(([page, load]) => [page, lazy(load)]),
) as unknown as Record<PageName, ComponentType<PageProps>>;

/** Pages that anybody may see. */
export const PUBLIC_PAGES: ReadonlySet<PageName> = new Set<PageName>([
  "transparency",
  "health",
  "volatility",
  "unknown",
]);

/** Fetch a page's chunk before it is asked for. */
export function prefetch(page: PageName): void {
  void LOADERS[page]();
}
