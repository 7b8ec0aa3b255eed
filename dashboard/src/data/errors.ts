/** What can go wrong between the page and the service, as one kind of error with a rule and a cure. */

import type { ErrorBody, ErrorData } from "../wire";

export type FailureKind = "refused" | "timeout" | "disconnected" | "malformed";

/** A call that did not come to an answer; reason, rule and cure are meant to be read. */
export class CallFailure extends Error {
  constructor(
    readonly kind: FailureKind,
    readonly number: number,
    readonly reason: string,
    readonly rule: string,
    readonly cure: string,
    readonly data: ErrorData | null = null,
  ) {
    super(reason);
    this.name = "CallFailure";
  }

  /** The stable code of the service, empty where the page itself gave up. */
  get code(): string {
    return this.data?.code ?? "";
  }
}

const INVALID_CREDENTIALS = 13004;
const UNAUTHORIZED = 13009;
const FORBIDDEN = 13021;

/** Whether the service says that nobody, or nobody valid, is asking. */
export function isUnproven(error: unknown): boolean {
  return (
    error instanceof CallFailure &&
    (error.number === INVALID_CREDENTIALS || error.number === UNAUTHORIZED)
  );
}

/** Whether the key may not do this. */
export function isForbidden(error: unknown): boolean {
  return error instanceof CallFailure && error.number === FORBIDDEN;
}

export function refused(body: ErrorBody): CallFailure {
  const data = (body.data ?? null) as ErrorData | null;
  return new CallFailure(
    "refused",
    body.code,
    data?.reason || body.message,
    data?.rule ?? "",
    data?.cure ?? "",
    data,
  );
}

export function timedOut(method: string, afterMs: number): CallFailure {
  return new CallFailure(
    "timeout",
    0,
    `${method} was not answered within ${Math.round(afterMs / 1000)} s`,
    "an answer that comes later is not used",
    "ask again; if it stays so, the service is overloaded or gone",
  );
}

export function disconnected(): CallFailure {
  return new CallFailure(
    "disconnected",
    0,
    "the connection to the venue is lost",
    "what is shown is no younger than the last message",
    "the page connects again by itself",
  );
}

export function malformed(said: string): CallFailure {
  return new CallFailure("malformed", 0, said, "messages are JSON-RPC 2.0", "reload the page");
}

/** Any thrown value as a failure that can be shown. */
export function asFailure(error: unknown): CallFailure {
  if (error instanceof CallFailure) return error;
  return malformed(error instanceof Error ? error.message : String(error));
}
