/** One margin unit, live: why it is close, what to do, and the details behind both. */

import "./account.css";
import "./panels.css";
import { useCallback, useMemo, useState } from "react";
import { useChannel } from "../../data/hooks";
import { Shown } from "../../parts";
import { Link } from "../../shell/Link";
import type { PageProps } from "../../shell/pages";
import type { AccountData } from "../../wire";
import { Ahead } from "./Ahead";
import { Beat, useRefreshed } from "./asking";
import { Compare } from "./Compare";
import { Critical } from "./Critical";
import { Cure } from "./Cure";
import { Head } from "./Head";
import { Heat } from "./Heat";
import { Parts } from "./Parts";
import { Positions } from "./Positions";
import { Section } from "./Section";
import { Story } from "./Story";
import { Ticket } from "./Ticket";
import type { Leg } from "./trade";
import { PutIntoTicket, UnitContext, useUnit, type Wish } from "./unit";

const SUMMARY_EVERY_MS = 1_000;
const EXPLAIN_EVERY_MS = 2_000;

/** An isolated unit has one instrument, which its name ends in. */
function firstLegs(unit: string, mode: string): readonly Leg[] {
  const instrument = mode === "isolated" ? (unit.split("/")[1] ?? "") : "";
  return [{ id: 1, instrument, side: "buy", quantity: "" }];
}

export default function Account({ name }: PageProps) {
  const { data, word } = useChannel(`account.${name}.200ms`);
  const beat = data?.account.unit === name ? data.as_of_seq : 0;
  return (
    <Beat value={beat}>
      {word.kind === "failed" && !data ? (
        <p className="account-back">
          <Link href="/accounts">All accounts</Link>
        </p>
      ) : null}
      <Shown data={data} word={word} what={name} lines={10}>
        {(told) => <Live key={name} unit={name} told={told} />}
      </Shown>
    </Beat>
  );
}

function Live({ unit, told }: { unit: string; told: AccountData }) {
  const seen = useSeenUnit(unit, told);
  const [legs, setLegs] = useState<readonly Leg[]>(() => firstLegs(unit, told.account.mode));
  const put = useCallback((wishes: readonly Wish[]) => {
    setLegs(
      wishes.map(({ instrument, quantity }, i) => ({
        id: i + 1,
        instrument,
        side: quantity.startsWith("-") ? "sell" : "buy",
        quantity: quantity.replace(/^[-+]/, ""),
      })),
    );
    const ticket = document.getElementById("ticket");
    ticket?.scrollIntoView({ block: "nearest" });
    ticket?.querySelector<HTMLElement>("button")?.focus({ preventScroll: true });
  }, []);
  return (
    <UnitContext value={seen}>
      <PutIntoTicket value={put}>
        <div className="account">
          <Head />
          <Panels legs={legs} onLegs={setLegs} />
        </div>
      </PutIntoTicket>
    </UnitContext>
  );
}

function useSeenUnit(unit: string, told: AccountData) {
  const summary = useRefreshed(
    "private/get_account_summary",
    { account: unit },
    { everyMs: SUMMARY_EVERY_MS },
  );
  return useMemo(
    () => ({ unit, told, positions: told.positions ?? [], summary: summary.result }),
    [unit, told, summary.result],
  );
}

function Panels({
  legs,
  onLegs,
}: {
  legs: readonly Leg[];
  onLegs: (legs: readonly Leg[]) => void;
}) {
  const { unit, told, positions } = useUnit();
  const explained = useRefreshed(
    "private/explain",
    { account: unit },
    { everyMs: EXPLAIN_EVERY_MS },
  );
  return (
    <>
      <div className="account-columns">
        <div className="account-column">
          <Section name="prices" title="Liquidation and bankruptcy prices" note="others held still">
            <Critical />
          </Section>
          <Section
            name="parts"
            title="Requirement, part by part"
            note={told.account.currency}
            isFlush
          >
            <Parts asked={explained} />
          </Section>
        </div>
        <div className="account-column">
          <Section name="cure" title="Cure" note="the cheapest ways back">
            <Cure />
          </Section>
          <Section name="ticket" title="What if" note="tried, never sent">
            <Ticket legs={legs} onLegs={onLegs} />
          </Section>
        </div>
      </div>
      <Section
        name="positions"
        title="Positions and orders"
        note={`${positions.length} ${positions.length === 1 ? "position" : "positions"}`}
        isFlush
      >
        <Positions explained={explained.result} />
      </Section>
      <div className="account-columns">
        <div className="account-column">
          <Section name="scenarios" title="Scenarios" note="P&L by price and volatility">
            <Heat />
          </Section>
          <Section name="ahead" title="Look ahead" note="requirement over time and price moves">
            <Ahead />
          </Section>
        </div>
        <div className="account-column">
          <Section
            name="story"
            title="Story"
            note="newest first, UTC; a time leads to its instant"
            isFlush
          >
            <Story />
          </Section>
          <Section name="methods" title="Other methods" note="the same account elsewhere">
            <Compare />
          </Section>
        </div>
      </div>
    </>
  );
}
