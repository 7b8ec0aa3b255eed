/** Halts and reduce-only: who put them on what, why and until when; and the form for another. */

import { type FormEvent, useState } from "react";
import type { Restricted, RestrictionTold } from "../../control_wire";
import { usePerson } from "../../data/control_hooks";
import { useChannel, useMethod } from "../../data/hooks";
import { count } from "../../format/numbers";
import { Empty, Panel, SelectField, TextField } from "../../parts";
import { giveOrder, type Order } from "./Confirm";
import { REASON_LENGTH_MAX } from "./draft";
import { OrderLine } from "./OrderLine";
import {
  inMinutes,
  isStanding,
  type Kind,
  kindText,
  MINUTES,
  newestFirst,
  restrictionFault,
  restrictionSays,
  type Scope,
  scopeText,
} from "./orders";

const ENDED_MAX = 50;
const NOTHING = {};
export const HOLDS = MINUTES.filter((each) => Number(each.value) <= 60);

export function Halts({ items, nowUs }: { items: readonly RestrictionTold[]; nowUs: number }) {
  const sorted = newestFirst(items);
  const open = sorted.filter(isStanding);
  const ended = sorted.filter((each) => !isStanding(each));
  return (
    <Panel
      title="Halts and reduce-only"
      note={open.length ? `${count(open.length)} in force` : "none in force"}
      isFlush
    >
      {open.length === 0 && <Empty title="Trading is not restricted" />}
      {open.map((each) => (
        <Standing key={each.id} halt={each} nowUs={nowUs} />
      ))}
      <NewHalt nowUs={nowUs} />
      {ended.length > 0 && (
        <details className="ended">
          <summary>
            Ended <span className="muted">{count(ended.length)}</span>
          </summary>
          {ended.slice(0, ENDED_MAX).map((each) => (
            <Standing key={each.id} halt={each} nowUs={nowUs} />
          ))}
        </details>
      )}
    </Panel>
  );
}

function Standing({ halt, nowUs }: { halt: RestrictionTold; nowUs: number }) {
  const { held, scopes } = usePerson();
  const mayEnd = isStanding(halt) && !halt.is_kill_switch;
  return (
    <OrderLine
      order={halt}
      title={
        halt.is_kill_switch
          ? kindText(halt)
          : `${kindText(halt)}: ${scopeText(halt.scope, halt.subject)}`
      }
      nowUs={nowUs}
      openEnd={halt.is_kill_switch ? "until two persons lift it" : "until somebody resumes"}
      heldUntilUs={halt.liquidations_held_until_us}
    >
      {mayEnd && (
        <button
          type="button"
          className="button"
          disabled={held !== null || !scopes.has("risk")}
          aria-label={`Resume trading: end ${halt.id}`}
          onClick={() => giveOrder(resuming(halt))}
        >
          Resume…
        </button>
      )}
    </OrderLine>
  );
}

function resuming(halt: RestrictionTold): Order<"POST /halts/{control}/resume"> {
  return {
    title: `Resume trading: ${halt.id}`,
    verb: "Resume trading",
    route: "POST /halts/{control}/resume",
    names: { control: halt.id },
    asksReason: true,
    body: (reason) => ({ reason }),
    says: [
      `${kindText(halt)} on ${scopeText(halt.scope, halt.subject)} ends with the next event.`,
      "Orders are taken again, unless another restriction covers them.",
    ],
  };
}

interface Wish {
  kind: Kind;
  scope: Scope;
  subject: string;
  reason: string;
  minutes: string;
  hold: string;
}

const NEW: Wish = {
  kind: "halt",
  scope: "underlying",
  subject: "",
  reason: "",
  minutes: "",
  hold: "",
};

function bodyOf(wish: Wish, nowUs: number): Restricted {
  return {
    kind: wish.kind,
    scope: wish.scope,
    ...(wish.scope !== "venue" && { subject: wish.subject.trim() }),
    reason: wish.reason.trim(),
    ...(wish.minutes && { until_us: inMinutes(nowUs, wish.minutes) }),
    ...(wish.hold && { liquidations_held_until_us: inMinutes(nowUs, wish.hold) }),
  };
}

function NewHalt({ nowUs }: { nowUs: number }) {
  const { held, scopes } = usePerson();
  const [wish, setWish] = useState(NEW);
  const fault = restrictionFault(bodyOf(wish, nowUs));
  const refusal = !scopes.has("risk")
    ? "halting takes a key with the scope risk"
    : (fault ?? (wish.reason.trim() ? null : "a reason is needed"));
  const set = (change: Partial<Wish>) => setWish({ ...wish, ...change });
  const halt = (event: FormEvent) => {
    event.preventDefault();
    if (refusal || held) return;
    const body = bodyOf(wish, nowUs);
    giveOrder({
      title: wish.kind === "halt" ? "Halt trading" : "Let only reductions through",
      verb: wish.kind === "halt" ? "Halt" : "Restrict to reductions",
      route: "POST /halts",
      says: restrictionSays(body),
      body: () => body,
      isGrave: true,
      onDone: () => setWish(NEW),
    });
  };
  const mayHold = wish.scope === "venue" || wish.scope === "account";
  return (
    <form className="order-form" onSubmit={halt} aria-label="New halt or reduce-only">
      <SelectField
        label="What"
        value={wish.kind}
        onChange={(event) => set({ kind: event.target.value as Kind })}
        options={[
          { value: "halt", text: "Halt: no new orders" },
          { value: "reduce_only", text: "Reduce-only" },
        ]}
      />
      <SelectField
        label="Of"
        value={wish.scope}
        onChange={(event) => set({ scope: event.target.value as Scope, subject: "", hold: "" })}
        options={[
          { value: "venue", text: "the venue" },
          { value: "underlying", text: "an underlying" },
          { value: "instrument", text: "an instrument" },
          { value: "account", text: "an account" },
        ]}
      />
      {wish.scope !== "venue" && (
        <Subject kind={wish.scope} value={wish.subject} onValue={(subject) => set({ subject })} />
      )}
      <SelectField
        label="Ends"
        value={wish.minutes}
        onChange={(event) => set({ minutes: event.target.value })}
        options={[{ value: "", text: "when somebody resumes" }, ...MINUTES]}
      />
      {mayHold && (
        <SelectField
          label="Liquidations"
          value={wish.hold}
          onChange={(event) => set({ hold: event.target.value })}
          options={[{ value: "", text: "go on" }, ...HOLDS.map(heldFor)]}
        />
      )}
      <TextField
        label="Reason, kept in the journal"
        className="input"
        value={wish.reason}
        maxLength={REASON_LENGTH_MAX}
        onChange={(event) => set({ reason: event.target.value })}
      />
      <div className="order-do">
        <button
          type="submit"
          className="button is-first"
          disabled={refusal !== null || held !== null}
        >
          {wish.kind === "halt" ? "Halt…" : "Restrict…"}
        </button>
        <span className="muted">{held ?? refusal}</span>
      </div>
    </form>
  );
}

export const heldFor = (each: { value: string; text: string }) => ({
  value: each.value,
  text: `held, on again ${each.text}`,
});

/** The name of an underlying, an instrument, an account or an asset, with those that are known to choose from. */
export function Subject({
  kind,
  value,
  onValue,
}: {
  kind: "underlying" | "instrument" | "account" | "asset";
  value: string;
  onValue: (value: string) => void;
}) {
  const { data: health } = useChannel("health.1000ms");
  const instruments = useMethod("public/get_instruments", NOTHING, {
    isHeld: kind !== "instrument",
    isOfNow: true,
  });
  const names =
    kind === "instrument"
      ? (instruments.result ?? [])
          .filter((each) => each.is_active)
          .map((each) => each.instrument_name)
      : kind === "account"
        ? []
        : (health?.assets ?? []).map((each) => each.asset).filter((name) => name !== "USDC");
  if (names.length && kind !== "instrument") {
    return (
      <SelectField
        label={kind === "asset" ? "Asset" : "Underlying"}
        value={value}
        onChange={(event) => onValue(event.target.value)}
        options={[
          { value: "", text: "choose" },
          ...names.map((name) => ({ value: name, text: name })),
        ]}
      />
    );
  }
  return (
    <>
      <TextField
        label={kind === "account" ? "Account" : "Name"}
        value={value}
        list={`names-of-${kind}`}
        onChange={(event) => onValue(event.target.value)}
      />
      <datalist id={`names-of-${kind}`}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
