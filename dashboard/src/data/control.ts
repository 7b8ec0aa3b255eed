/**
 * The control plane at /v1, over HTTP: questions with an ETag, and writes that are done once.
 *
 * Every write has an idempotency key. Where the answer to it was lost, it is sent again under the same key,
 * which tells what became of the first and does nothing twice. The access token is that of the session, in
 * memory alone; one that has ended is renewed once. What is asked here is of the present, whatever instant
 * the page shows.
 */

import type { Problem, Reads, Writes } from "../control_wire";
import { CallFailure, disconnected, timedOut } from "./errors";

export const CONTROL_PATH = "/v1";
export const CONTROL_TIMEOUT_MS = 20_000;
const TRIES_MAX = 4;
const WAIT_MS_MAX = 5_000;
const PAGES_MAX = 20;
const PAGE_LIMIT = 500;
const KEPT_MAX = 64;

const INVALID_CREDENTIALS = 13004;
const FORBIDDEN = 13021;
const AT_WORK = "PLAN-E08";

/** Who asks: the session. */
export interface Proof {
  readonly accessToken: string | null;
  prove(): Promise<boolean>;
}

/** The world outside, for tests to replace. */
export interface Outside {
  fetch(path: string, request: RequestInit): Promise<Response>;
  key(): string;
  wait(ms: number): Promise<void>;
}

export type Names = Record<string, string>;
export type Query = Record<string, string | number>;
/** The routes that tell a list, page by page. */
export type ListPath = {
  [P in keyof Reads]: Reads[P] extends { items: unknown[]; next: string | null } ? P : never;
}[keyof Reads];
export type ItemOf<P extends ListPath> = Reads[P] extends { items: (infer I)[] } ? I : never;

interface Kept {
  tag: string;
  body: object;
}

export class Control {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly proof: Proof,
    private readonly outside: Outside,
  ) {}

  /** Ask; what has not changed since it was last told is not sent again. Throws a CallFailure. */
  async read<P extends keyof Reads>(
    path: P,
    names: Names = {},
    query: Query = {},
  ): Promise<Reads[P]> {
    return (await this.readAt(addressOf(path, names, query))) as Reads[P];
  }

  /** Every item of a list, page by page, and the event as of which its first page was told. */
  async readAll<P extends ListPath>(
    path: P,
    query: Query = {},
  ): Promise<{ as_of_seq: number; time_us: number; items: ItemOf<P>[] }> {
    type Page = { as_of_seq: number; time_us: number; items: ItemOf<P>[]; next: string | null };
    let address: string | null = addressOf(path, {}, { limit: PAGE_LIMIT, ...query });
    let first: Page | null = null;
    const items: ItemOf<P>[] = [];
    for (let page = 0; address !== null && page < PAGES_MAX; page++) {
      const found = (await this.readAt(address)) as Page;
      first ??= found;
      items.push(...found.items);
      address = found.next;
    }
    return { as_of_seq: first?.as_of_seq ?? 0, time_us: first?.time_us ?? 0, items };
  }

  /**
   * Tell the service to do something; the answer comes when the journal holds it.
   *
   * key: the same for the same wish, however often it is sent. Throws a CallFailure; of `isUncertain` ones
   * nobody knows whether it was done, and the same key asks again without doing it twice.
   */
  async write<W extends keyof Writes>(
    route: W,
    body: Writes[W]["body"],
    names: Names = {},
    key: string = this.newKey(),
  ): Promise<Writes[W]["result"]> {
    const [method = "POST", path = ""] = route.split(" ");
    const request: RequestInit = {
      method,
      headers: {
        "idempotency-key": key,
        ...(body !== null && { "content-type": "application/json" }),
      },
      ...(body !== null && { body: JSON.stringify(body) }),
    };
    const response = await this.sent(addressOf(path, names, {}), request, route);
    return (await jsonOf(response)) as Writes[W]["result"];
  }

  newKey(): string {
    return this.outside.key();
  }

  private async readAt(address: string): Promise<object> {
    const kept = this.kept.get(address);
    const headers: Record<string, string> = kept ? { "if-none-match": kept.tag } : {};
    const response = await this.sent(address, { method: "GET", headers }, address);
    if (response.status === 304 && kept) {
      const seq = Number(response.headers.get("as-of-seq"));
      return seq > 0 ? { ...kept.body, as_of_seq: seq } : kept.body;
    }
    const body = (await jsonOf(response)) as object;
    const tag = response.headers.get("etag");
    if (tag) this.keep(address, { tag, body });
    return body;
  }

  private keep(address: string, kept: Kept): void {
    this.kept.delete(address);
    this.kept.set(address, kept);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT_MAX) break;
      this.kept.delete(oldest);
    }
  }

  /** Send until there is an answer that is final, the same request each time. */
  private async sent(address: string, request: RequestInit, what: string): Promise<Response> {
    let hasProved = false;
    let failure: CallFailure = disconnected();
    for (let turn = 0; turn < TRIES_MAX; turn++) {
      let response: Response;
      try {
        response = await this.once(address, request, what);
      } catch (error) {
        failure = error as CallFailure;
        if (request.method === "GET") throw failure;
        await this.outside.wait(300 * 2 ** turn);
        continue;
      }
      if (response.ok || response.status === 304) return response;
      failure = await failureOf(response);
      if (response.status === 401 && !hasProved) {
        hasProved = true;
        if (await this.proof.prove()) continue;
        throw failure;
      }
      const wait = waitMs(response.status, failure, turn);
      if (wait === null) throw failure;
      await this.outside.wait(wait);
    }
    throw failure;
  }

  private async once(address: string, request: RequestInit, what: string): Promise<Response> {
    const token = this.proof.accessToken;
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(), CONTROL_TIMEOUT_MS);
    try {
      return await this.outside.fetch(address, {
        ...request,
        headers: { ...request.headers, ...(token && { authorization: `Bearer ${token}` }) },
        credentials: "omit",
        cache: "no-store",
        signal: ending.signal,
      });
    } catch {
      throw ending.signal.aborted ? timedOut(what, CONTROL_TIMEOUT_MS) : disconnected();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Whether nobody knows if the write was done: its answer was lost, or the service did not get to it. */
export function isUncertain(failure: CallFailure): boolean {
  return failure.kind !== "refused" || failure.number === 503 || failure.code === AT_WORK;
}

/** The address of a route: its names put in, encoded, and a query behind it. */
export function addressOf(path: string, names: Names, query: Query): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = names[name];
    if (value === undefined) throw new Error(`${path} needs ${name}`);
    return encodeURIComponent(value);
  });
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) asked.set(name, String(value));
  const text = asked.toString();
  return CONTROL_PATH + filled + (text && `?${text}`);
}

/** How long to wait before the same request is sent again; null where the refusal is final. */
function waitMs(status: number, failure: CallFailure, turn: number): number | null {
  if (failure.code === AT_WORK) return 250 * 2 ** turn;
  if (status !== 429) return null;
  const us = failure.data?.retry_after_us ?? 1_000_000;
  const ms = us / 1_000 + 30;
  return ms <= WAIT_MS_MAX ? ms : null;
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw disconnected();
  }
}

/** A problem (RFC 9457) as a failure that can be shown. */
export async function failureOf(response: Response): Promise<CallFailure> {
  let problem: Partial<Problem> = {};
  try {
    problem = (await response.json()) as Partial<Problem>;
  } catch {
    // What stands before the service may answer in other words.
  }
  const faults = (problem.faults ?? []).map((fault) => `${fault.field}: ${fault.rule}`);
  const rule = faults.length ? faults.join("; ") : (problem.rule ?? "");
  const reason = problem.detail ?? `the service answered ${response.status}`;
  const cure = problem.cure ?? "try again; if it stays so, tell who runs the service";
  return new CallFailure(
    "refused",
    numberOf(response.status, problem.code ?? ""),
    reason,
    rule,
    cure,
    {
      reason,
      code: problem.code ?? "",
      rule,
      cure,
      where: problem.where ?? {},
      retry_after_us: problem.retry_after_us ?? null,
    },
  );
}

/** The numbers of JSON-RPC where they mean the same, so that both are shown alike; else the status. */
function numberOf(status: number, code: string): number {
  if (status === 401) return INVALID_CREDENTIALS;
  if (status === 403 && code.startsWith("ACCS-")) return FORBIDDEN;
  return status;
}

export const browserOutside: Outside = {
  fetch: (path, request) => fetch(path, request),
  key: newKey,
  wait: (ms) => new Promise((done) => setTimeout(done, ms)),
};

/** 128 random bits; randomUUID is kept from pages that came without TLS from another machine. */
function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
