/** The navigation: every page, the letter that leads to it, and which one is shown. */

import { Icon, type IconName } from "../parts/Icon";
import { PLACES } from "./keys";
import { Link } from "./Link";
import { type PageName, useRoute } from "./router";

const ICONS: Record<string, IconName> = {
  "/": "overview",
  "/accounts": "accounts",
  "/volatility": "volatility",
  "/health": "health",
  "/liquidations": "liquidations",
  "/parameters": "parameters",
  "/time": "time",
  "/transparency": "transparency",
};

/** The place of the navigation that a page belongs to. */
function placeOf(page: PageName): string {
  if (page === "overview") return "/";
  return page === "account" ? "/accounts" : `/${page}`;
}

export function Rail() {
  const { page } = useRoute();
  const here = placeOf(page);
  return (
    <nav className="rail" aria-label="Pages">
      {PLACES.map((place) => (
        <Link
          key={place.path}
          href={place.path}
          aria-current={place.path === here ? "page" : undefined}
        >
          <Icon name={ICONS[place.path] ?? "empty"} />
          {place.name}
          <kbd aria-hidden="true">g {place.letter}</kbd>
        </Link>
      ))}
      <p className="rail-foot">
        <kbd>/</kbd> search · <kbd>?</kbd> keys
      </p>
    </nav>
  );
}
