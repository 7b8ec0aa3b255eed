/** What operators change: the parameters of the method, and the orders that restrict or except. */

import "./parameters.css";
import { useAsOf, useChannel } from "../../data/hooks";
import { type Tab, Tabs } from "../../parts";
import { navigate, useRoute } from "../../shell/router";
import { Confirmation } from "./Confirm";
import { Controls } from "./Controls";
import { Method } from "./Method";
import { Proposals } from "./Proposals";
import { Who } from "./Who";

type Key = "method" | "proposals" | "controls";

const TABS: readonly Tab<Key>[] = [
  { key: "method", title: "Method" },
  { key: "proposals", title: "Proposals" },
  { key: "controls", title: "Controls" },
];

export function tabIn(search: string): Key {
  const named = new URLSearchParams(search).get("tab");
  return TABS.find((tab) => tab.key === named)?.key ?? "method";
}

export const goToTab = (key: Key): void =>
  navigate(key === "method" ? "/parameters" : `/parameters?tab=${key}`, true);

export default function Parameters() {
  const chosen = tabIn(useRoute().search);
  const { data: health } = useChannel("health.1000ms");
  // What stands here is of the present: back in time the engine's time of now is not known.
  const nowUs = useAsOf() === null ? (health?.time_us ?? 0) : 0;
  return (
    <div className="parameters">
      <h1 className="sr-only">Parameters</h1>
      <Who />
      <Tabs label="What is changed" tabs={TABS} chosen={chosen} onChoose={goToTab}>
        <div className="parameters-tab">
          {chosen === "method" && <Method onProposals={() => goToTab("proposals")} />}
          {chosen === "proposals" && <Proposals nowUs={nowUs} onMethod={() => goToTab("method")} />}
          {chosen === "controls" && <Controls nowUs={nowUs} />}
        </div>
      </Tabs>
      <Confirmation />
    </div>
  );
}
