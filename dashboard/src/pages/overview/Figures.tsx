/** The numbers that are read first. */

import { compact, compactMoney, count, money, percent } from "../../format/numbers";
import { type Figure, KeyFigures } from "../../parts";
import type { OverviewData } from "../../wire";

export function Figures({ venue }: { venue: OverviewData }) {
  return <KeyFigures label="The venue at a glance" figures={figures(venue)} />;
}

function figures(venue: OverviewData): Figure[] {
  const unit = <span className="unit"> {venue.currency}</span>;
  const usd = <span className="unit"> USD</span>;
  const interest = Object.values(venue.open_interest_usd).reduce<number>((a, b) => a + (b ?? 0), 0);
  const equity = venue.total_equity_micro;
  const needed = venue.total_maintenance_requirement_micro;
  const hasDebt = venue.bad_debt_micro > 0;
  return [
    {
      name: "Insurance fund",
      value: (
        <span title={`${money(venue.insurance_fund_micro)} ${venue.currency}`}>
          {compactMoney(venue.insurance_fund_micro)}
          {unit}
        </span>
      ),
      note: "absorbs shortfalls first",
    },
    {
      name: "Bad debt",
      value: (
        <span title={`${money(venue.bad_debt_micro)} ${venue.currency}`}>
          {compactMoney(venue.bad_debt_micro)}
          {unit}
        </span>
      ),
      note: `${compactMoney(venue.bad_debt_uncovered_micro)} uncovered`,
      ...(hasDebt && { tone: venue.bad_debt_uncovered_micro > 0 ? "bad" : "doubt" }),
    },
    {
      name: "Open interest",
      value: (
        <span>
          {compact(interest)}
          {usd}
        </span>
      ),
      note: "longs at index",
    },
    {
      name: "Total equity",
      value: (
        <span title={`${money(equity)} ${venue.currency}`}>
          {compactMoney(equity)}
          {unit}
        </span>
      ),
      note: `of ${count(venue.accounts)} accounts`,
    },
    {
      name: "Maintenance requirement",
      value: (
        <span title={`${money(needed)} ${venue.currency}`}>
          {compactMoney(needed)}
          {unit}
        </span>
      ),
      note: equity > 0 ? `${percent(needed / equity, 1)} of equity` : "of no equity",
    },
    {
      name: "Called",
      value: count(venue.called),
      note: "accounts so far",
    },
    {
      name: "Reduced · liquidated",
      value: `${count(venue.reduced)} · ${count(venue.liquidated)}`,
      note: `${count(venue.bankrupt)} bankrupt`,
    },
  ];
}
