/** Every margin unit, live: nearest to liquidation first, filtered, searched, opened by key or click. */

import "./accounts.css";
import { useAccounts } from "../../data/hooks";
import { Panel, Shown } from "../../parts";
import { Filters } from "./Filters";
import { Units } from "./Units";
import { useWish } from "./wish";

export default function Accounts() {
  const { columns, word, version } = useAccounts();
  const [wish, setWish] = useWish();
  return (
    <div className="accounts">
      <h1 className="sr-only">Accounts</h1>
      <Filters columns={columns} version={version} wish={wish} onWish={setWish} />
      <Panel
        title="Margin units"
        note="USDC; margin ratio = maintenance balance / maintenance requirement, liquidatable below 1"
        isFlush
        className="accounts-panel"
      >
        <Shown data={version > 0 ? columns : null} word={word} what="accounts" lines={16}>
          {() => <Units version={version} wish={wish} onWish={setWish} />}
        </Shown>
      </Panel>
    </div>
  );
}
