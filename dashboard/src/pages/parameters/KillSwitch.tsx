/** The kill switch: whether it is on, pulling it behind typed words, and asking to lift it. */

import { type FormEvent, useState } from "react";
import type { KillSwitch, OverrideTold, Pulled } from "../../control_wire";
import { usePerson } from "../../data/control_hooks";
import { Icon, Panel, SelectField, TextField } from "../../parts";
import { giveOrder } from "./Confirm";
import { REASON_LENGTH_MAX } from "./draft";
import { HOLDS, heldFor } from "./Halts";
import { OrderLine } from "./OrderLine";
import {
  inMinutes,
  isStanding,
  KILL_PHRASE,
  killSays,
  kindText,
  MINUTES,
  type Mode,
} from "./orders";

export function KillSwitchPanel({
  found,
  overrides,
  nowUs,
}: {
  found: KillSwitch;
  overrides: readonly OverrideTold[];
  nowUs: number;
}) {
  const on = found.restriction;
  const waiting = overrides.find(
    (each) => each.kind === "lift_kill_switch" && each.subject === on?.id && isStanding(each),
  );
  return (
    <Panel
      title="Kill switch"
      note="one person pulls it, two persons lift it"
      isFlush
      className={found.is_on ? "panel-grave" : ""}
      tools={
        <span className={`order-state ${found.is_on ? "bad" : "good"}`}>
          {found.is_on ? "■ on" : "● off"}
        </span>
      }
    >
      {on && (
        <OrderLine
          order={on}
          title={kindText(on)}
          nowUs={nowUs}
          openEnd="until two persons lift it"
          heldUntilUs={on.liquidations_held_until_us}
        />
      )}
      {on && waiting && (
        <p className="order-note">
          <Icon name="wait" /> {waiting.author} asked to lift it; another person approves under
          Overrides ({waiting.id}).
        </p>
      )}
      {on && !waiting && <Lift control={on.id} nowUs={nowUs} />}
      {!on && <Pull nowUs={nowUs} />}
    </Panel>
  );
}

function Pull({ nowUs }: { nowUs: number }) {
  const { held, scopes } = usePerson();
  const [mode, setMode] = useState<Mode>("cancel_and_reduce_only");
  const [reason, setReason] = useState("");
  const [hold, setHold] = useState("");
  const refusal = !scopes.has("risk")
    ? "pulling it takes a key with the scope risk"
    : reason.trim()
      ? null
      : "a reason is needed";
  const pull = (event: FormEvent) => {
    event.preventDefault();
    if (refusal || held) return;
    const body: Pulled = {
      mode,
      reason: reason.trim(),
      ...(hold && { liquidations_held_until_us: inMinutes(nowUs, hold) }),
    };
    giveOrder({
      title: "Pull the kill switch",
      verb: "Pull it",
      route: "POST /kill-switch",
      says: killSays(body),
      body: () => body,
      phrase: KILL_PHRASE,
      isGrave: true,
      onDone: () => setReason(""),
    });
  };
  return (
    <form className="order-form" onSubmit={pull} aria-label="Pull the kill switch">
      <SelectField
        label="Afterwards"
        value={mode}
        onChange={(event) => setMode(event.target.value as Mode)}
        options={[
          { value: "cancel_and_reduce_only", text: "only reductions are taken" },
          { value: "freeze", text: "freeze: no order is taken" },
        ]}
      />
      <SelectField
        label="Liquidations"
        value={hold}
        onChange={(event) => setHold(event.target.value)}
        options={[{ value: "", text: "go on" }, ...HOLDS.map(heldFor)]}
      />
      <TextField
        label="Reason, kept in the journal"
        value={reason}
        maxLength={REASON_LENGTH_MAX}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="order-do">
        <button
          type="submit"
          className="button is-first is-grave"
          disabled={refusal !== null || held !== null}
        >
          Pull the kill switch…
        </button>
        <span className="muted">{held ?? refusal}</span>
      </div>
    </form>
  );
}

function Lift({ control, nowUs }: { control: string; nowUs: number }) {
  const { held, scopes } = usePerson();
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState("60");
  const refusal = !scopes.has("admin")
    ? "asking to lift it takes a key with the scope admin"
    : reason.trim()
      ? null
      : "a reason is needed";
  const lift = (event: FormEvent) => {
    event.preventDefault();
    if (refusal || held) return;
    const body = { control, reason: reason.trim(), until_us: inMinutes(nowUs, minutes) };
    giveOrder({
      title: "Ask to lift the kill switch",
      verb: "Ask",
      route: "POST /kill-switch/lift",
      body: () => body,
      onDone: () => setReason(""),
      says: [
        "Nothing changes yet: another admin has to approve it, under Overrides.",
        "Once approved trading begins again at once; orders that were cancelled stay cancelled.",
      ],
    });
  };
  return (
    <form className="order-form" onSubmit={lift} aria-label="Ask to lift the kill switch">
      <SelectField
        label="Lapses without an approval"
        value={minutes}
        onChange={(event) => setMinutes(event.target.value)}
        options={MINUTES}
      />
      <TextField
        label="Why trading may begin again"
        value={reason}
        maxLength={REASON_LENGTH_MAX}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="order-do">
        <button
          type="submit"
          className="button is-first"
          disabled={refusal !== null || held !== null}
        >
          Ask to lift it…
        </button>
        <span className="muted">{held ?? refusal}</span>
      </div>
    </form>
  );
}
