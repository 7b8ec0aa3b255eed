/** Exceptions to the rules: asked for by one person, approved by another, over by themselves. */

import { type FormEvent, useState } from "react";
import type { OverrideAsked, OverrideTold } from "../../control_wire";
import { usePerson } from "../../data/control_hooks";
import { count } from "../../format/numbers";
import { instant } from "../../format/times";
import { Empty, Panel, SelectField, TextField } from "../../parts";
import { giveOrder, type Order } from "./Confirm";
import { REASON_LENGTH_MAX } from "./draft";
import { Subject } from "./Halts";
import { OrderLine } from "./OrderLine";
import {
  approvalHeld,
  inMinutes,
  isStanding,
  MINUTES,
  newestFirst,
  OVERRIDE_WORDS,
  overrideDoes,
  overrideSays,
} from "./orders";

type Kind = OverrideAsked["kind"];

const KINDS: readonly Kind[] = ["hold_liquidation", "withdrawal_hold", "protect_asset"];
const ENDED_MAX = 50;

export function Overrides({ items, nowUs }: { items: readonly OverrideTold[]; nowUs: number }) {
  const sorted = newestFirst(items);
  const open = sorted.filter(isStanding);
  const ended = sorted.filter((each) => !isStanding(each));
  return (
    <Panel
      title="Overrides"
      note="one person asks, another approves; a day at most"
      tools={<span className="muted">{count(open.length)} open</span>}
      isFlush
    >
      {open.length === 0 && <Empty title="The rules hold for everybody" />}
      {open.map((each) => (
        <Standing key={each.id} override={each} nowUs={nowUs} />
      ))}
      <NewOverride nowUs={nowUs} />
      {ended.length > 0 && (
        <details className="ended">
          <summary>
            Ended <span className="muted">{count(ended.length)}</span>
          </summary>
          {ended.slice(0, ENDED_MAX).map((each) => (
            <Standing key={each.id} override={each} nowUs={nowUs} />
          ))}
        </details>
      )}
    </Panel>
  );
}

function Standing({ override, nowUs }: { override: OverrideTold; nowUs: number }) {
  const { keyId, scopes, held } = usePerson();
  const heldBack = approvalHeld(override.author, keyId, scopes);
  const isOpen = isStanding(override);
  return (
    <>
      <OrderLine
        order={override}
        title={`${OVERRIDE_WORDS[override.kind]}: ${override.subject}`}
        nowUs={nowUs}
      >
        {isOpen && override.state === "proposed" && (
          <button
            type="button"
            className="button is-first"
            disabled={heldBack !== null || held !== null}
            aria-label={`Approve ${override.id}`}
            onClick={() => giveOrder(approving(override))}
          >
            Approve…
          </button>
        )}
        {isOpen && (
          <button
            type="button"
            className="button"
            disabled={held !== null || !scopes.has("risk")}
            aria-label={`End ${override.id}`}
            onClick={() => giveOrder(ending(override))}
          >
            End…
          </button>
        )}
      </OrderLine>
      {isOpen && override.state === "proposed" && heldBack && (
        <p className="order-note">
          <strong className="doubt">The proposer cannot approve.</strong> Logged in as{" "}
          <span className="mono">{keyId || "nobody"}</span>: {heldBack}.
        </p>
      )}
    </>
  );
}

function approving(override: OverrideTold): Order<"POST /overrides/{override}/approve"> {
  return {
    title: `Approve ${override.id}`,
    verb: "Approve",
    route: "POST /overrides/{override}/approve",
    names: { override: override.id },
    body: () => ({}),
    isGrave: true,
    says: [
      overrideDoes(override.kind, override.subject),
      override.kind === "lift_kill_switch"
        ? "It happens at once."
        : `It holds from the next event on and ends by itself at ${instant(override.until_us)}.`,
      `Asked for by ${override.author}: ${override.reason}`,
    ],
  };
}

function ending(override: OverrideTold): Order<"POST /overrides/{override}/withdraw"> {
  return {
    title: `End ${override.id}`,
    verb: "End it",
    route: "POST /overrides/{override}/withdraw",
    names: { override: override.id },
    asksReason: true,
    body: (reason) => ({ reason }),
    says: [
      override.state === "active"
        ? "The rules hold again from the next event on; a held account is decided on at once."
        : "Nobody can approve it any longer.",
    ],
  };
}

function NewOverride({ nowUs }: { nowUs: number }) {
  const { held, scopes } = usePerson();
  const [kind, setKind] = useState<Kind>("hold_liquidation");
  const [subject, setSubject] = useState("");
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState("60");
  const what = kind === "protect_asset" ? "asset" : "account";
  const refusal = !scopes.has("risk")
    ? "asking takes a key with the scope risk"
    : !subject.trim()
      ? `name the ${what}`
      : reason.trim()
        ? null
        : "a reason is needed";
  const ask = (event: FormEvent) => {
    event.preventDefault();
    if (refusal || held) return;
    const until_us = inMinutes(nowUs, minutes);
    const body: OverrideAsked = { kind, subject: subject.trim(), reason: reason.trim(), until_us };
    giveOrder({
      title: "Ask for an override",
      verb: "Ask",
      route: "POST /overrides",
      says: overrideSays(body),
      body: () => body,
      onDone: () => {
        setSubject("");
        setReason("");
      },
    });
  };
  return (
    <form className="order-form" onSubmit={ask} aria-label="New override">
      <SelectField
        label="What"
        value={kind}
        onChange={(event) => {
          setKind(event.target.value as Kind);
          setSubject("");
        }}
        options={KINDS.map((each) => ({ value: each, text: OVERRIDE_WORDS[each] }))}
      />
      <Subject kind={what} value={subject} onValue={setSubject} />
      <SelectField
        label="Ends"
        value={minutes}
        onChange={(event) => setMinutes(event.target.value)}
        options={MINUTES}
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
          className="button is-first"
          disabled={refusal !== null || held !== null}
        >
          Ask for it…
        </button>
        <span className="muted">{held ?? refusal}</span>
      </div>
    </form>
  );
}
