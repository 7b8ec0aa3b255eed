/** One proposal: its values, who stands behind it, and what this person may do about it. */

import type { ProposalTold } from "../../control_wire";
import { usePerson } from "../../data/control_hooks";
import { count } from "../../format/numbers";
import { age, instant } from "../../format/times";
import { words } from "../../format/words";
import { giveOrder, type Order } from "./Confirm";
import { Impact } from "./Impact";
import { BeforeAfter } from "./Method";
import { approvalHeld, isSamePerson, isStanding, toneOfOrder } from "./orders";
import { shownValue } from "./tree";

export function ProposalCard({
  proposal,
  unitOf,
  nowUs,
}: {
  proposal: ProposalTold;
  unitOf: (path: string) => string;
  nowUs: number;
}) {
  const isOpen = isStanding(proposal);
  return (
    <article className="order" aria-label={`Proposal ${proposal.id}`}>
      <header className="order-head">
        <strong className="mono">{proposal.id}</strong>
        <span className={`order-state ${toneOfOrder(proposal.state)}`}>
          {words(proposal.state)}
        </span>
        <span className="muted">{proposal.reason}</span>
      </header>
      <ul className="order-changes">
        {proposal.changes.map((change) => (
          <li key={change.path}>
            <span className="mono">{change.path}</span>
            <BeforeAfter before={change.base} after={change.value} unit={unitOf(change.path)} />
          </li>
        ))}
      </ul>
      <dl className="facts order-facts">
        <dt>Proposed by</dt>
        <dd>
          <span className="mono">{proposal.author}</span>, {instant(proposal.since_us)}, event{" "}
          {count(proposal.since_seq)}
        </dd>
        <dt>Approved by</dt>
        <dd>
          {proposal.approver ? (
            <>
              <span className="mono">{proposal.approver}</span>, {instant(proposal.approved_us)}
            </>
          ) : (
            "nobody yet"
          )}
        </dd>
        <dt>Takes effect</dt>
        <dd>{effectText(proposal, nowUs)}</dd>
        {proposal.ended && (
          <>
            <dt>Ended</dt>
            <dd>
              {words(proposal.state)} {instant(proposal.ended.time_us)}
              {proposal.ended.by && ` by ${proposal.ended.by}`}
              {proposal.ended.reason && `: ${proposal.ended.reason}`}
            </dd>
          </>
        )}
      </dl>
      {isOpen && <Decide proposal={proposal} />}
      {isOpen && <Impact changes={proposal.changes} />}
    </article>
  );
}

/** When it is applied, or until when it may still be approved. */
export function effectText(proposal: ProposalTold, nowUs: number): string {
  const { state, effective_us: at, due_us: due } = proposal;
  if (state === "proposed") {
    const when = at <= nowUs ? "at its approval" : instant(at);
    return `${when}; lapses ${instant(due)} without an approval`;
  }
  if (state === "approved" && nowUs > 0) {
    return `${instant(at)}, in ${age(Math.max(0, at - nowUs))}`;
  }
  return instant(at);
}

function Decide({ proposal }: { proposal: ProposalTold }) {
  const { keyId, scopes, held } = usePerson();
  const isMine = isSamePerson(proposal.author, keyId);
  const heldBack =
    proposal.state === "approved" ? null : approvalHeld(proposal.author, keyId, scopes);
  return (
    <div className="order-do">
      {proposal.state === "proposed" && (
        <button
          type="button"
          className="button is-first"
          disabled={heldBack !== null || held !== null}
          aria-describedby={`${proposal.id}-held`}
          onClick={() => giveOrder(approval(proposal))}
        >
          Approve…
        </button>
      )}
      <button
        type="button"
        className="button"
        disabled={held !== null || !scopes.has("risk")}
        onClick={() => giveOrder(rejection(proposal, isMine))}
      >
        {isMine ? "Withdraw…" : "Reject…"}
      </button>
      <span className="muted" id={`${proposal.id}-held`}>
        {heldBack && (
          <>
            <strong className="doubt">The proposer cannot approve.</strong> Logged in as{" "}
            <span className="mono">{keyId || "nobody"}</span>: {heldBack}.
          </>
        )}
      </span>
    </div>
  );
}

const changeLines = (proposal: ProposalTold): string[] =>
  proposal.changes.map(
    (each) => `${each.path}: ${shownValue(each.base)} → ${shownValue(each.value)}`,
  );

function approval(proposal: ProposalTold): Order<"POST /proposals/{proposal}/approve"> {
  return {
    title: `Approve ${proposal.id}`,
    verb: "Approve",
    route: "POST /proposals/{proposal}/approve",
    names: { proposal: proposal.id },
    body: () => ({}),
    isGrave: true,
    says: [
      `The engine takes these values for every account, ${instant(proposal.effective_us)} or at once where that has passed:`,
      ...changeLines(proposal),
      "Whoever only this change takes below a requirement has an hour of grace before liquidation.",
      `Proposed by ${proposal.author}; your name stands beside it in the journal.`,
    ],
  };
}

function rejection(
  proposal: ProposalTold,
  isMine: boolean,
): Order<"POST /proposals/{proposal}/reject"> {
  return {
    title: `${isMine ? "Withdraw" : "Reject"} ${proposal.id}`,
    verb: isMine ? "Withdraw" : "Reject",
    route: "POST /proposals/{proposal}/reject",
    names: { proposal: proposal.id },
    asksReason: true,
    body: (reason) => ({ reason }),
    says: [
      "The parameters stay as they are.",
      "It is over for good: a new one has to be proposed.",
    ],
  };
}
