/** The frame of every page: navigation, top bar, banner, and the page itself. */

import { Suspense, useEffect, useRef, useState } from "react";
import { useStanding } from "../data/hooks";
import { Loading } from "../parts/Notes";
import { Banner } from "./Banner";
import { Boundary } from "./Boundary";
import { Help } from "./Help";
import { listenToKeys, PLACES } from "./keys";
import { Link } from "./Link";
import { Login } from "./Login";
import { PAGES, PUBLIC_PAGES } from "./pages";
import { Rail } from "./Rail";
import { type Route, useRoute } from "./router";
import { TopBar } from "./TopBar";

export function Shell() {
  const route = useRoute();
  const [isHelping, setHelping] = useState(false);
  const main = useRef<HTMLElement>(null);
  useEffect(() => listenToKeys(() => setHelping(true)), []);
  const title = titleOf(route);
  useEffect(() => {
    document.title = `${title} · Steelyard`;
  }, [title]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page begins at its top
  useEffect(() => {
    main.current?.scrollTo(0, 0);
  }, [route.path]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <Link className="brand" href="/">
        <Brand />
        Steelyard
      </Link>
      <TopBar onHelp={() => setHelping(true)} />
      <Rail />
      <Banner />
      <main className="main" id="main" tabIndex={-1} ref={main}>
        <Boundary of={route.path}>
          <Suspense fallback={<Loading what={title} lines={6} />}>
            <Shown route={route} />
          </Suspense>
        </Boundary>
      </main>
      <Help isOpen={isHelping} onClose={() => setHelping(false)} />
    </div>
  );
}

function Shown({ route }: { route: Route }) {
  const standing = useStanding();
  if (standing.kind === "nobody" && !PUBLIC_PAGES.has(route.page)) {
    return <Login because={standing.because} />;
  }
  const Page = PAGES[route.page];
  return <Page name={route.name} />;
}

function titleOf(route: Route): string {
  if (route.page === "account") return route.name;
  if (route.page === "unknown") return "Not found";
  const found = PLACES.find(
    (place) => place.path === (route.page === "overview" ? "/" : `/${route.page}`),
  );
  return found?.name ?? "Steelyard";
}

/** A steelyard: an unequal beam with its weight. */
function Brand() {
  return (
    <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path
        d="M1 6.500 19 4.500M6 6V3.500a1.500 1.500 0 0 1 3 0V5.600M3.500 6.300V11M1.200 11h4.600a2.300 2.300 0 0 1-4.600 0zM15.500 5v4.500M13.500 9.500h4v5h-4z"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
    </svg>
  );
}
