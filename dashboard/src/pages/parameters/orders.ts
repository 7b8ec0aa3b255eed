/** What operators' orders do, in the sentences that stand before the button which gives them. */

import type {
  OverrideAsked,
  OverrideTold,
  Pulled,
  Restricted,
  RestrictionTold,
} from "../../control_wire";
import { instant } from "../../format/times";

export type Kind = Restricted["kind"];
export type Scope = Restricted["scope"];
export type Mode = Pulled["mode"];

/** What has to be typed before every order of the venue is cancelled. */
export const KILL_PHRASE = "cancel all orders";
export const HOUR_US = 3_600_000_000;

/** Ends that are offered, in minutes from now; "" has none. */
export const MINUTES = [
  { value: "5", text: "in 5 minutes" },
  { value: "15", text: "in 15 minutes" },
  { value: "60", text: "in an hour" },
  { value: "240", text: "in 4 hours" },
  { value: "1440", text: "in a day" },
] as const;

export const inMinutes = (nowUs: number, minutes: string): number =>
  nowUs + Number(minutes) * 60_000_000;

/** On what: the venue, BTC, the account alice. */
export function scopeText(scope: Scope, subject: string | null | undefined): string {
  if (scope === "venue") return "the whole venue";
  return scope === "account" ? `the account ${subject}` : `${subject}`;
}

const heldText = (untilUs: number | null | undefined): string =>
  untilUs
    ? `Nobody of it is liquidated before ${instant(untilUs)}.`
    : "Liquidations go on as the rules say.";

/** What a halt or reduce-only will do. */
export function restrictionSays(body: Restricted): string[] {
  const what = scopeText(body.scope, body.subject);
  const isHalt = body.kind === "halt";
  return [
    isHalt
      ? `From the next event on every new order on ${what} is refused, those that reduce too.`
      : `From the next event on only orders that reduce a position on ${what} are taken.`,
    "Resting orders stay; fills, cancellations and deposits are taken.",
    ...(isHalt && body.scope === "account" ? ["No money leaves the account."] : []),
    heldText(body.liquidations_held_until_us),
    body.until_us
      ? `It ends by itself at ${instant(body.until_us)}, or sooner when somebody resumes.`
      : "It has no end: it holds until somebody resumes trading.",
  ];
}

/** What the kill switch will do. */
export function killSays(body: Pulled): string[] {
  return [
    "Every resting order and reservation of every account is cancelled in one event.",
    body.mode === "freeze"
      ? "Afterwards no order at all is taken, and nothing leaves an account."
      : "Afterwards only orders that reduce a position are taken; nothing leaves to the world.",
    "Prices, fills, deposits and orders of operators are taken.",
    heldText(body.liquidations_held_until_us),
    "One person pulls it; only two persons can lift it.",
  ];
}

const OVERRIDES: Record<OverrideAsked["kind"], (subject: string) => string> = {
  hold_liquidation: (s) =>
    `The account ${s} is not reduced or liquidated, whatever its ratio; its resting orders go.`,
  withdrawal_hold: (s) => `Nothing leaves the account ${s}; it may trade and take deposits.`,
  protect_asset: (s) =>
    `Nobody is liquidated on ${s}, and no new risk on it is taken; its index moves on.`,
};

/** What an override does while it holds. */
export function overrideDoes(kind: OverrideTold["kind"], subject: string): string {
  if (kind === "lift_kill_switch") return `The kill switch ${subject} is lifted: trading goes on.`;
  return OVERRIDES[kind](subject);
}

export function overrideSays(body: OverrideAsked): string[] {
  return [
    "Nothing changes yet: another person has to approve it.",
    `Once approved: ${overrideDoes(body.kind, body.subject)}`,
    `It ends by itself at ${instant(body.until_us)}, approved or not; one person may end it sooner.`,
  ];
}

/** Two names are one person's: case and space around them make no other person. */
export const isSamePerson = (one: string, other: string): boolean =>
  one.trim().toLowerCase() === other.trim().toLowerCase();

/** Why this person may not approve what somebody asked for; null where they may. */
export function approvalHeld(
  author: string,
  keyId: string,
  scopes: ReadonlySet<string>,
): string | null {
  if (isSamePerson(author, keyId)) return "you asked for it: another person approves";
  return scopes.has("admin") ? null : "approving takes a key with the scope admin";
}

/** The faults of a halt that the service would refuse; null where there are none. */
export function restrictionFault(body: Restricted): string | null {
  const { scope, until_us: until, liquidations_held_until_us: held } = body;
  if (scope !== "venue" && !body.subject) return `name the ${scope}`;
  if (held && scope !== "venue" && scope !== "account")
    return "liquidations are held back of the venue or an account; protect an asset instead";
  if (held && until && held > until) return "liquidations are held no longer than the halt lasts";
  return null;
}

/** A state of an order as a tone: in force, waiting, over. */
export function toneOfOrder(state: string): "bad" | "doubt" | "muted" | "good" {
  if (state === "proposed") return "doubt";
  if (state === "approved" || state === "applied") return "good";
  return state === "active" ? "bad" : "muted";
}

export const newestFirst = <T extends { since_seq: number }>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => b.since_seq - a.since_seq);

/** Whether an order still holds or waits. */
export const isStanding = (each: { ended: unknown }): boolean => each.ended === null;

export const kindText = (each: Pick<RestrictionTold, "kind">): string =>
  ({
    halt: "Halt",
    reduce_only: "Reduce-only",
    cancel_and_reduce_only: "Kill switch: reduce-only",
    freeze: "Kill switch: freeze",
  })[each.kind];

export const OVERRIDE_WORDS: Record<OverrideTold["kind"], string> = {
  hold_liquidation: "Hold liquidation of an account",
  withdrawal_hold: "Hold withdrawals of an account",
  protect_asset: "Protect an asset",
  lift_kill_switch: "Lift the kill switch",
};
