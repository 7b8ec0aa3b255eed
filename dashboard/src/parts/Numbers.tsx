/** Amounts with their unit, aligned by the caller: `.num` cells stand right. */

import * as numbers from "../format/numbers";
import { age } from "../format/times";

/** Micro-USDC. isCompact: 12.35 M instead of every digit; the digits stand in the title. */
export function Money({
  micro,
  currency = "",
  decimals = 2,
  isCompact = false,
}: {
  micro: number | null | undefined;
  currency?: string;
  decimals?: number;
  isCompact?: boolean;
}) {
  const whole = numbers.money(micro, decimals);
  const unit = currency && (
    <>
      {" "}
      <span className="unit">{currency}</span>
    </>
  );
  if (!isCompact) {
    return (
      <span className={micro != null && micro < 0 ? "bad" : undefined}>
        {whole}
        {unit}
      </span>
    );
  }
  return (
    <span title={`${whole} ${currency}`.trim()}>
      {numbers.compactMoney(micro)}
      {unit}
    </span>
  );
}

export function Price({ value, unit = "" }: { value: number | null | undefined; unit?: string }) {
  return (
    <span>
      {numbers.price(value)}
      {unit && <span className="unit"> {unit}</span>}
    </span>
  );
}

/** Maintenance balance / requirement: below 1 is liquidatable, and says so by colour and weight. */
export function Ratio({ value }: { value: number | null | undefined }) {
  const known = value != null && !Number.isNaN(value);
  const tone = !known ? "muted" : value < 1 ? "bad" : value < 1.2 ? "doubt" : undefined;
  return (
    <span
      className={tone}
      style={known && value < 1 ? { fontWeight: 650 } : undefined}
      title={
        known
          ? "maintenance margin balance / maintenance requirement; liquidatable below 1"
          : "without a maintenance requirement"
      }
    >
      {numbers.ratio(value)}
    </span>
  );
}

/** How old something is; beyond `old` it is doubted, beyond `dead` it is bad. */
export function Age({
  us,
  oldUs = 5_000_000,
  deadUs = 60_000_000,
}: {
  us: number | null | undefined;
  oldUs?: number;
  deadUs?: number;
}) {
  const tone = us == null ? "muted" : us > deadUs ? "bad" : us > oldUs ? "doubt" : undefined;
  return <span className={tone}>{age(us)}</span>;
}
