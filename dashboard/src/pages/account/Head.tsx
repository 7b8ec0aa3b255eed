/** The unit at a glance: whose it is, in which state, how far from liquidation, and by which method. */

import { useChannel } from "../../data/hooks";
import { count, exact, fixed, money, percent, ratio } from "../../format/numbers";
import { instant } from "../../format/times";
import { title } from "../../format/words";
import { Icon, StateChip, Tooltip } from "../../parts";
import { Link } from "../../shell/Link";
import { accountPath } from "../../shell/router";
import { toNumber } from "./amounts";
import { ratioWords, useUnit } from "./unit";

const SIBLINGS = 12;

export function Head() {
  const { told, summary } = useUnit();
  const { account } = told;
  const value = account.margin_ratio === null ? null : toNumber(account.margin_ratio);
  const requirement = toNumber(account.maintenance_requirement);
  const tone = value === null ? "muted" : value < 1 ? "bad" : value < 1.2 ? "doubt" : undefined;
  return (
    <header className="account-head panel">
      <div className="account-who">
        <p className="account-kind muted">Margin unit</p>
        <h1>{account.unit}</h1>
        <p className="account-marks">
          <StateChip state={account.state} />
          <span>{title(account.mode)} margin</span>
          <Siblings />
        </p>
      </div>
      <div className="account-ratio">
        <p className="muted">
          <Tooltip text="Maintenance margin balance over maintenance requirement, rounded down. Below 1 the unit is liquidatable.">
            Margin ratio
          </Tooltip>
        </p>
        <p className={`account-ratio-value ${tone ?? ""}`} data-testid="margin-ratio">
          {ratio(value)}
        </p>
        <p className="muted">{ratioWords(value, requirement)}</p>
      </div>
      <Amounts />
      <footer className="account-foot muted">
        {summary?.unit?.protected.length ? (
          <span className="doubt account-protected">
            <Icon name="alert" /> Prices of {summary.unit.protected.join(", ")} are protected: it is
            liquidated only if it also were at their kindest (buffer then{" "}
            {money(summary.unit.certain_buffer_micro)} {account.currency}).
          </span>
        ) : null}
        <span>
          As of event {count(told.as_of_seq)}, {instant(told.time_us)}
        </span>
        {summary && (
          <span>
            Method {summary.method} {summary.version},{" "}
            <span className="mono" title={`SHA-256 of the method: ${summary.method_hash}`}>
              {summary.method_hash.slice(0, 12)}
            </span>
          </span>
        )}
      </footer>
    </header>
  );
}

function Siblings() {
  const { unit, summary } = useUnit();
  const owner = unit.split("/")[0] ?? unit;
  const others = (summary?.unit?.units ?? []).filter((each) => each !== unit);
  return (
    <>
      {owner !== unit && (
        <span>
          of <Link href={accountPath(owner)}>{owner}</Link>
        </span>
      )}
      {others.length > 0 && (
        <details className="siblings">
          <summary>
            {others.length === 1
              ? "1 other unit of this account"
              : `${others.length} other units of this account`}
          </summary>
          <ul>
            {others.slice(0, SIBLINGS).map((each) => (
              <li key={each}>
                <Link href={accountPath(each)}>{each}</Link>
              </li>
            ))}
            {others.length > SIBLINGS && <li>and {others.length - SIBLINGS} more</li>}
          </ul>
        </details>
      )}
    </>
  );
}

function Amounts() {
  const { told, summary } = useUnit();
  const { account } = told;
  const initial = toNumber(account.initial_balance) - toNumber(account.initial_requirement);
  const orders = summary?.unit?.order_margin_micro ?? 0;
  const rows: readonly [string, string, string, string?][] = [
    ["Equity", account.equity, "cash, coins and options at mark, profit of perpetuals"],
    [
      "Margin balance",
      account.maintenance_balance,
      haircut(account.equity, account.maintenance_balance),
    ],
    [
      "Initial requirement",
      account.initial_requirement,
      orders > 0 ? `${money(orders)} of it for resting orders` : "to open and to withdraw",
    ],
    ["Maintenance requirement", account.maintenance_requirement, "to keep what is open"],
    ["Buffer", account.buffer, "margin balance less maintenance requirement", "signed"],
    [
      "Free margin",
      initial.toFixed(2),
      initial < 0 ? "none: nothing can be opened or withdrawn" : "for new risk and withdrawals",
      "signed",
    ],
  ];
  return (
    <dl className="figures account-amounts" aria-label="Amounts">
      {rows.map(([name, text, note, sign]) => (
        <div className="figure" key={name}>
          <dt>{name}</dt>
          <dd className={sign && toNumber(text) < 0 ? "bad" : undefined} title={exact(text)}>
            {fixed(toNumber(text), 2)} <span className="unit">{account.currency}</span>
          </dd>
          <dd className="figure-note" title={note}>
            {note}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function haircut(equity: string, balance: string): string {
  const [whole, left] = [toNumber(equity), toNumber(balance)];
  if (!(whole > 0) || left >= whole) return "equity without haircut";
  return `equity after haircuts of ${percent(1 - left / whole, 1)}`;
}

/** The indices of the assets, by name, as the market's health tells them. */
export function useIndices(): Record<string, number> {
  const { data } = useChannel("health.1000ms");
  const found: Record<string, number> = {};
  for (const asset of data?.assets ?? []) {
    if (asset.index_price != null) found[asset.asset] = asset.index_price;
  }
  return found;
}
