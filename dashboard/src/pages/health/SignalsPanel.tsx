/** Inputs that are no prices: rates, spreads, upgrades; what each says and whether it is believed. */

import { fixed, percent } from "../../format/numbers";
import { words } from "../../format/words";
import { Age, Empty, Panel, VerdictChip } from "../../parts";
import type { SignalData } from "../../wire";

export function SignalsPanel({ signals }: { signals: SignalData[] }) {
  return (
    <Panel title="Signals" note="inputs that are no prices" isFlush>
      {signals.length === 0 ? (
        <Empty title="No signal is listed">
          Volatility indices, rates and governance come here.
        </Empty>
      ) : (
        <div className="scroll-x">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Signal</th>
                <th scope="col">Kind</th>
                <th scope="col">About</th>
                <th scope="col" className="num">
                  Value
                </th>
                <th scope="col" className="num">
                  Confidence
                </th>
                <th scope="col" className="num">
                  Age
                </th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {signals.map((signal) => (
                <tr key={signal.signal}>
                  <th scope="row">{signal.signal}</th>
                  <td>{words(signal.kind)}</td>
                  <td>{signal.subject}</td>
                  <td className="num">{fixed(signal.value, 4)}</td>
                  <td className="num">{percent(signal.confidence, 0)}</td>
                  <td className="num">
                    <Age us={signal.age_us} />
                  </td>
                  <td>
                    <VerdictChip verdict={signal.state} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
