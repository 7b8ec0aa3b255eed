/** What operators have ordered of the venue, and the orders that they can give. */

import { useControl, useControlList } from "../../data/control_hooks";
import { Shown } from "../../parts";
import { Halts } from "./Halts";
import { KillSwitchPanel } from "./KillSwitch";
import { Overrides } from "./Overrides";

const EVERY_MS = 3_000;

export function Controls({ nowUs }: { nowUs: number }) {
  const killSwitch = useControl("/kill-switch", { everyMs: EVERY_MS });
  const halts = useControlList("/halts", EVERY_MS);
  const overrides = useControlList("/overrides", EVERY_MS);
  return (
    <div className="parameters-stack">
      <Shown data={killSwitch.result} error={killSwitch.error} what="the kill switch" lines={3}>
        {(found) => (
          <KillSwitchPanel found={found} overrides={overrides.result?.items ?? []} nowUs={nowUs} />
        )}
      </Shown>
      <Shown data={halts.result} error={halts.error} again={halts.again} what="halts" lines={4}>
        {(found) => (
          <Halts
            items={found.items.filter((each) => each.id !== killSwitch.result?.restriction?.id)}
            nowUs={nowUs}
          />
        )}
      </Shown>
      <Shown
        data={overrides.result}
        error={overrides.error}
        again={overrides.again}
        what="overrides"
      >
        {(found) => <Overrides items={found.items} nowUs={nowUs} />}
      </Shown>
    </div>
  );
}
