/** What a change would do to the accounts, worked out on a copy beside the engine: nothing is changed by it. */

import type { ChangeTold } from "../../control_wire";
import { useAsOf } from "../../data/hooks";
import { compactMoney, count, money, NONE, signed } from "../../format/numbers";
import { instant } from "../../format/times";
import { title } from "../../format/words";
import {
  Empty,
  ErrorNote,
  type Figure,
  KeyFigures,
  Loading,
  StateChip,
  UnitName,
} from "../../parts";
import { Link } from "../../shell/Link";
import { accountPath } from "../../shell/router";
import type { ImpactReport, ImpactTotals, UnitImpact } from "../../wire";
import { useOnDemand } from "../account/asking";

const ROWS = 100;
const TIMEOUT_MS = 90_000;

export function Impact({ changes, isOpen }: { changes: readonly ChangeTold[]; isOpen?: boolean }) {
  const asked = {
    changes: changes.map(({ path, value }) => ({ path, value_json: JSON.stringify(value) })),
    rows: ROWS,
  };
  const worked = useOnDemand("private/parameter_impact", asked, TIMEOUT_MS);
  const asOf = useAsOf();
  return (
    <section className="impact" aria-label="Impact of the change">
      <div className="impact-ask">
        <button
          type="button"
          className={`button${isOpen ? " is-first" : ""}`}
          disabled={worked.isAsking}
          onClick={worked.ask}
        >
          {worked.result ? "Work out the impact again" : "Work out the impact"}
        </button>
        {worked.isAsking && (
          <button type="button" className="button is-quiet" onClick={worked.cancel}>
            Wait no longer
          </button>
        )}
        <span className="muted">
          {worked.result
            ? `as of event ${count(worked.result.as_of_seq)}, ${instant(worked.result.time_us)}, prices still`
            : asOf === null
              ? "on a copy of the venue: nothing is changed by asking"
              : "as of the instant that the page shows: nothing is changed by asking"}
        </span>
      </div>
      {worked.error && <ErrorNote error={worked.error} again={worked.ask} />}
      {worked.isAsking && !worked.result && <Loading what="the impact" lines={4} />}
      {worked.result && <Report report={worked.result} />}
    </section>
  );
}

function Report({ report }: { report: ImpactReport }) {
  return (
    <>
      <KeyFigures label="The impact in numbers" figures={figures(report)} />
      <Totals report={report} />
      <Accounts report={report} />
    </>
  );
}

function figures(report: ImpactReport): Figure[] {
  const grave = (n: number) => (n > 0 ? { tone: "bad" as const } : { tone: "good" as const });
  return [
    {
      name: "Newly called",
      value: count(report.called),
      note: "margin call or deeper",
      ...grave(report.called),
    },
    {
      name: "Newly liquidatable",
      value: count(report.liquidatable),
      note: "once an hour of grace has ended",
      ...grave(report.liquidatable),
    },
    {
      name: "Newly short of initial margin",
      value: count(report.initial_short),
      note: "can only reduce",
      ...grave(report.initial_short),
    },
    {
      name: "In another state",
      value: count(report.moved),
      note: `of ${count(report.units)} units`,
    },
    { name: "Touched", value: count(report.changed), note: "state or buffer is another" },
  ];
}

const AMOUNTS: readonly { name: string; of: (totals: ImpactTotals) => number }[] = [
  { name: "Equity", of: (totals) => totals.equity_micro },
  { name: "Initial requirement", of: (totals) => totals.initial_requirement_micro },
  { name: "Maintenance requirement", of: (totals) => totals.maintenance_requirement_micro },
];

function Totals({ report }: { report: ImpactReport }) {
  const { before, after } = report;
  const states = Object.keys(before.units_by_state).filter(
    (state) => before.units_by_state[state] || after.units_by_state[state],
  );
  return (
    <div className="scroll-x">
      <table className="table impact-totals">
        <caption className="sr-only">All units together, before and after</caption>
        <thead>
          <tr>
            <th scope="col">All units</th>
            <th scope="col" className="num">
              Before
            </th>
            <th scope="col" className="num">
              After
            </th>
            <th scope="col" className="num">
              Change
            </th>
            <th scope="col" className="num" />
          </tr>
        </thead>
        <tbody>
          {AMOUNTS.map(({ name, of }) => (
            <tr key={name}>
              <th scope="row">
                {name} <span className="unit">{report.currency}</span>
              </th>
              <td className="num">{money(of(before), 0)}</td>
              <td className="num">{money(of(after), 0)}</td>
              <td className="num">{signed((of(after) - of(before)) / 1e6, 0)}</td>
              <td className="num muted">{shareOf(of(before), of(after))}</td>
            </tr>
          ))}
          {states.map((state) => {
            const [was, is] = [before.units_by_state[state] ?? 0, after.units_by_state[state] ?? 0];
            return (
              <tr key={state}>
                <th scope="row">
                  <StateChip state={state} /> <span className="unit">units</span>
                </th>
                <td className="num">{count(was)}</td>
                <td className="num">{count(is)}</td>
                <td className="num">{was === is ? "0" : signed(is - was)}</td>
                <td />
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const shareOf = (before: number, after: number): string =>
  before > 0 ? `${signed(((after - before) / before) * 100, 2)} %` : NONE;

function Accounts({ report }: { report: ImpactReport }) {
  if (report.accounts.length === 0) {
    return <Empty title="No unit is touched">No state and no buffer would be another.</Empty>;
  }
  return (
    <>
      <h3 className="impact-head">
        Hit hardest{" "}
        <span className="muted">
          first {count(report.accounts.length)} of {count(report.changed)}, USDC; buffer =
          maintenance balance less requirement
        </span>
      </h3>
      <div className="scroll-x impact-accounts">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Unit</th>
              <th scope="col">State</th>
              <th scope="col" className="num">
                Buffer before
              </th>
              <th scope="col" className="num">
                After
              </th>
              <th scope="col" className="num">
                Change
              </th>
              <th scope="col" className="num">
                Initial margin missing
              </th>
            </tr>
          </thead>
          <tbody>
            {report.accounts.map((unit) => (
              <tr key={unit.unit}>
                <th scope="row">
                  <Link href={accountPath(unit.unit)}>
                    <UnitName unit={unit.unit} />
                  </Link>
                </th>
                <td>
                  <States unit={unit} />
                </td>
                <td className="num">{money(unit.buffer_before_micro)}</td>
                <td className={`num${unit.buffer_after_micro < 0 ? " bad" : ""}`}>
                  {money(unit.buffer_after_micro)}
                </td>
                <td className="num">
                  {signed((unit.buffer_after_micro - unit.buffer_before_micro) / 1e6, 2)}
                </td>
                <td className="num">
                  {unit.initial_missing_after_micro > 0
                    ? compactMoney(unit.initial_missing_after_micro)
                    : NONE}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** From which state to which, and to which once the grace of the change has ended. */
function States({ unit }: { unit: UnitImpact }) {
  if (unit.state_before === unit.state_after && unit.state_after === unit.state_without_grace) {
    return <StateChip state={unit.state_after} />;
  }
  return (
    <span className="before-after">
      <StateChip state={unit.state_before} />
      <span aria-hidden="true">→</span>
      <span className="sr-only">to</span>
      <StateChip state={unit.state_after} />
      {unit.state_without_grace !== unit.state_after && (
        <span className="muted">then {title(unit.state_without_grace).toLowerCase()}</span>
      )}
    </span>
  );
}
