/** The margin units that are nearest to liquidation. */

import { useMemo } from "react";
import { NEAREST_FIRST } from "../../data/accounts_order";
import { useAccounts } from "../../data/hooks";
import { accounts } from "../../data/venue";
import { compactMoney } from "../../format/numbers";
import { Empty, Panel, Ratio, Shown, StateChip, UnitName } from "../../parts";
import { Link } from "../../shell/Link";
import { accountPath } from "../../shell/router";

const ROWS = 8;

export function Nearest() {
  const { columns, word, version } = useAccounts();
  const order = useMemo(() => accounts.order(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` stands for the columns
  const rows = useMemo(
    () =>
      [...order.least(NEAREST_FIRST, ROWS)].filter(
        (row) => (columns.numbers.maintenance_requirement[row] ?? 0) > 0,
      ),
    [order, version],
  );
  return (
    <Panel
      title="Nearest to liquidation"
      note="margin ratio below 1 is liquidatable"
      isFlush
      tools={<Link href="/accounts">All</Link>}
    >
      <Shown data={version > 0 ? rows : null} word={word} what="accounts" lines={ROWS}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="No margin unit has a requirement" />
          ) : (
            <table className="table nearest">
              <thead>
                <tr>
                  <th scope="col">Unit</th>
                  <th scope="col">State</th>
                  <th scope="col" className="num">
                    Margin ratio
                  </th>
                  <th scope="col" className="num">
                    Buffer <span className="unit">USDC</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {found.map((row) => (
                  <tr key={columns.units[row]}>
                    <td className="nearest-name">
                      <Link href={accountPath(columns.units[row] ?? "")}>
                        <UnitName unit={columns.units[row] ?? ""} />
                      </Link>
                    </td>
                    <td>
                      <StateChip state={columns.stateOf(row)} />
                    </td>
                    <td className="num">
                      <Ratio value={columns.numbers.margin_ratio[row]} />
                    </td>
                    <td className="num">{compactMoney(columns.numbers.buffer[row])}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Shown>
    </Panel>
  );
}
