/** The page's one venue: its connection, session, channels and stores, wired together. */

import type { ChannelData, ChannelName, Methods } from "../wire";
import { AccountsStore } from "./accounts_store";
import { asOfSeq } from "./as_of";
import { Channels } from "./channels";
import { browserSurroundings, Connection, type Sent } from "./connection";
import { Cell } from "./emitter";
import { asFailure, type CallFailure, disconnected, refused } from "./errors";
import { arrived, departed, gaveUp, progressed } from "./journey";
import { mergedAccount, mergedSurface } from "./merging";
import { Session, tabKeeper, takeLoginCode } from "./session";
import { type Apply, appended, ChannelStore, replace } from "./store";

const HTTP_PATH = "/api/v2";
const SOCKET_PATH = "/ws/api/v2";
const LINES_MAX = 500;
const PAST_MS = 30_000;
const PUBLIC = /^(transparency|liquidations|surface|health|ticker|deribit_price_index)\./;

export const connection = new Connection(browserSurroundings(SOCKET_PATH));
export const session = new Session(
  askOverHttp,
  (method, params) => connection.call(method, params),
  tabKeeper,
);
export const channels = new Channels({
  subscribe: (names) => overBoth("subscribe", names),
  unsubscribe: (names) => overBoth("unsubscribe", names),
});
export const accounts = new AccountsStore(channels);
/** Whether the connection is up and, where there are tokens, the session's. */
export const isReady = new Cell(false);

/** Why the instant in the address cannot be shown; null where it is, or none is asked for. */
export const instantFailure = new Cell<CallFailure | null>(null);

connection.onOpen = async () => {
  await session.prove();
  if (asOfSeq.get() !== null) await goToWished();
  isReady.set(true);
  channels.opened();
};
connection.onNotification = (method, params) => {
  const { channel, data } = params as { channel?: string; data?: unknown };
  if (method === "subscription" && typeof channel === "string") {
    channels.told(channel, data);
    const { as_of_seq: at } = data as { as_of_seq?: number };
    if (at !== undefined) arrived(at);
  } else if (method === "as_of") toldOfPast(params as AsOfNote);
};
connection.link.subscribe(() => {
  if (connection.link.get().kind === "open") return;
  isReady.set(false);
  gaveUp();
  channels.lost();
});
// Another instant is another world: every channel begins anew in it.
asOfSeq.subscribe(() => {
  void move();
});

async function move(): Promise<void> {
  if (!isReady.get()) return; // it is gone to when the connection opens, or behind the way under way
  const link = connection.link.get();
  isReady.set(false);
  departed(asOfSeq.get());
  await channels.leave();
  await goToWished();
  if (connection.link.get() !== link) return; // another connection has begun at the instant itself
  isReady.set(true);
  channels.opened();
}

/** Go to the instant in the address, and on where that has changed on the way: the latest wins. */
async function goToWished(): Promise<void> {
  let seq: number | null;
  do {
    seq = asOfSeq.get();
    departed(seq);
    await goTo(seq);
  } while (asOfSeq.get() !== seq && connection.link.get().kind === "open");
}

interface AsOfNote {
  as_of_seq: number;
  fraction?: number;
  channel?: string;
  error?: unknown;
}

/** How far a replay is, or that a channel cannot be told as of then. */
function toldOfPast({ as_of_seq: seq, fraction, channel, error }: AsOfNote): void {
  if (seq !== asOfSeq.get()) return;
  if (fraction !== undefined) progressed(seq, fraction);
  if (channel === undefined) return;
  const failure = refused(error as never);
  channels.failed(channel, failure);
  if (failure.code.startsWith("RWND")) {
    instantFailure.set(failure);
    gaveUp();
  }
}

/** Put the connection at an instant: what it is asked and told is of then. */
async function goTo(seq: number | null): Promise<void> {
  try {
    await connection.call("private/set_as_of", { as_of_seq: seq }, { timeoutMs: PAST_MS });
    instantFailure.set(null);
    if (seq === null) arrived(null);
  } catch (error) {
    instantFailure.set(asFailure(error));
    gaveUp();
  }
}

/** Take a login code from the address, if there is one, and connect. */
export async function startVenue(): Promise<void> {
  await loginWithCode();
  connection.start();
  // An address with a code that is opened in a tab which shows the page already loads nothing anew.
  window.addEventListener("hashchange", () => {
    void loginWithCode().then((isProven) => isProven && connection.restart());
  });
}

/** Use the code in the address, if there is one. Returns whether it was good. */
async function loginWithCode(): Promise<boolean> {
  const code = takeLoginCode(location, history);
  if (!code) return false;
  try {
    await session.login({ grant_type: "page_code", code });
    return true;
  } catch {
    return false; // the login form says why
  }
}

/** Log in with a key's id and secret, and connect anew as the key. */
export async function loginWithKey(id: string, secret: string): Promise<void> {
  await session.login({ grant_type: "client_credentials", client_id: id, client_secret: secret });
  connection.restart();
}

export async function logout(): Promise<void> {
  await session.logout();
  connection.restart();
}

/** Ask a method of the registry, at the instant that the connection is at. Throws a CallFailure. */
export function ask<M extends keyof Methods>(
  method: M,
  params: Methods[M]["params"],
  sent: Sent = {},
): Promise<Methods[M]["result"]> {
  return askAny(method, params, sent) as Promise<Methods[M]["result"]>;
}

/** Ask a method that the generated types do not know. */
export function askAny(method: string, params: object, sent: Sent = {}): Promise<unknown> {
  return connection.call(method, params, sent);
}

/**
 * Ask of the present, whatever instant the page shows: over HTTP, which the connection's instant does not reach.
 *
 * For what is about all of time, such as the history that instants are chosen from.
 */
export function askNow<M extends keyof Methods>(
  method: M,
  params: Methods[M]["params"],
): Promise<Methods[M]["result"]> {
  return askOverHttp(method, params) as Promise<Methods[M]["result"]>;
}

const stores = new Map<string, ChannelStore<unknown, never>>();

/** The store of a channel, one for all who read it. */
export function storeOf<C extends ChannelName>(channel: C): ChannelStore<ChannelData<C>> {
  let store = stores.get(channel);
  if (!store) {
    store = new ChannelStore(channels, channel, reducerOf(channel));
    stores.set(channel, store);
  }
  return store as unknown as ChannelStore<ChannelData<C>>;
}

function reducerOf(channel: string): Apply<unknown, never> {
  if (channel.startsWith("events.")) return appended("events", LINES_MAX) as Apply<unknown, never>;
  if (channel.startsWith("liquidations."))
    return appended("liquidations", LINES_MAX) as Apply<unknown, never>;
  if (channel.startsWith("surface.")) return mergedSurface as Apply<unknown, never>;
  if (channel.startsWith("account.")) return mergedAccount as Apply<unknown, never>;
  return replace as Apply<unknown, never>;
}

async function overBoth(verb: "subscribe" | "unsubscribe", names: string[]): Promise<unknown> {
  const open = names.filter((name) => PUBLIC.test(name));
  const own = names.filter((name) => !PUBLIC.test(name));
  const asked = [];
  if (open.length) asked.push(connection.call(`public/${verb}`, { channels: open }));
  if (own.length) asked.push(connection.call(`private/${verb}`, { channels: own }));
  return Promise.all(asked);
}

async function askOverHttp(method: string, params: object): Promise<unknown> {
  const proof = method === "public/auth" ? null : session.accessToken;
  let answer: { result?: unknown; error?: unknown };
  try {
    const response = await fetch(HTTP_PATH, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(proof && { authorization: `Bearer ${proof}` }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      credentials: "omit",
      cache: "no-store",
    });
    answer = await response.json();
  } catch {
    throw disconnected();
  }
  if (answer.error) throw refused(answer.error as never);
  return answer.result;
}
