/**
 * Who is asking: login, the tokens, and their renewal.
 *
 * Tokens are kept in memory. The refresh token alone also stands in sessionStorage, which belongs to one
 * tab, is gone with it, and is read by no other origin: without it a reload would ask for the secret again,
 * and people who are asked often write their secrets down. It is spent at each use; a copy that is used
 * a second time ends the session on the service's side. The strict content policy of the page lets no
 * foreign script run that could read it.
 */

import { Cell } from "./emitter";
import { asFailure, type CallFailure, isUnproven } from "./errors";

export type Standing =
  | { kind: "unknown" }
  | { kind: "nobody"; because: CallFailure | null }
  /** keyId: the person that the two-person rules go by. */
  | { kind: "proven"; scope: string; keyId?: string };

export interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in: number;
  scope: string;
  key_id?: string;
}

export type Grant =
  | { grant_type: "page_code"; code: string }
  | { grant_type: "client_credentials"; client_id: string; client_secret: string }
  | { grant_type: "refresh_token"; refresh_token: string };

export interface Keeper {
  read(): string | null;
  write(token: string | null): void;
}

export type Ask = (method: string, params: object) => Promise<unknown>;

/** The part of a token's life after which it is renewed. */
const RENEW_AFTER = 0.7;

export class Session {
  readonly standing = new Cell<Standing>({ kind: "unknown" });
  /** What requests over HTTP are proven with; in memory alone. */
  accessToken: string | null = null;
  private refreshToken: string | null;
  private renewTimer: unknown = null;
  private proving: Promise<boolean> | null = null;

  /**
   * overHttp: asks without a connection, so that the tokens are not bound to one and outlive it.
   * overSocket: asks on the present connection, which then is the session's.
   */
  constructor(
    private readonly overHttp: Ask,
    private readonly overSocket: Ask,
    private readonly keeper: Keeper,
    private readonly after: (ms: number, callback: () => void) => unknown = (ms, callback) =>
      setTimeout(callback, ms),
    private readonly cancel: (timer: unknown) => void = (timer) => clearTimeout(timer as number),
  ) {
    this.refreshToken = keeper.read();
    if (!this.refreshToken) this.standing.set({ kind: "nobody", because: null });
  }

  get hasToken(): boolean {
    return this.refreshToken !== null;
  }

  /** Prove who asks; the connection is proven afterwards by `prove`. Throws a CallFailure. */
  async login(grant: Grant): Promise<void> {
    try {
      this.take((await this.overHttp("public/auth", grant)) as Tokens);
    } catch (error) {
      // A code that was used before does not end a session that is good.
      if (!this.refreshToken) this.leave(asFailure(error));
      throw asFailure(error);
    }
  }

  /**
   * Make the present connection the session's. Returns whether it is.
   *
   * One at a time: a refresh token that is used twice ends the session.
   */
  prove(): Promise<boolean> {
    this.proving ??= this.provenOnce().finally(() => {
      this.proving = null;
    });
    return this.proving;
  }

  private async provenOnce(): Promise<boolean> {
    const token = this.refreshToken;
    if (!token) return false;
    try {
      const grant: Grant = { grant_type: "refresh_token", refresh_token: token };
      const tokens = (await this.overSocket("public/auth", grant)) as Tokens;
      this.take(tokens);
      const keyId = tokens.key_id;
      this.standing.set({ kind: "proven", scope: tokens.scope, ...(keyId && { keyId }) });
      return true;
    } catch (error) {
      if (isUnproven(error)) this.leave(asFailure(error));
      return false;
    }
  }

  /** End the session here and on the service's side. */
  async logout(): Promise<void> {
    try {
      await this.overSocket("private/logout", {});
    } catch {
      // The connection may be gone: the tokens are forgotten all the same.
    }
    this.leave(null);
  }

  private take(tokens: Tokens): void {
    this.accessToken = tokens.access_token;
    this.refreshToken = tokens.refresh_token;
    this.keeper.write(tokens.refresh_token);
    if (this.renewTimer !== null) this.cancel(this.renewTimer);
    const ms = Math.max(5, tokens.expires_in * RENEW_AFTER) * 1_000;
    this.renewTimer = this.after(ms, () => {
      this.renewTimer = null;
      void this.prove();
    });
  }

  private leave(because: CallFailure | null): void {
    this.accessToken = null;
    this.refreshToken = null;
    this.keeper.write(null);
    if (this.renewTimer !== null) this.cancel(this.renewTimer);
    this.renewTimer = null;
    this.standing.set({ kind: "nobody", because });
  }
}

const KEY = "steelyard.refresh";

/** Keeps the refresh token for this tab; a browser that forbids storage forgets it at a reload. */
export const tabKeeper: Keeper = {
  read: () => {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return null;
    }
  },
  write: (token) => {
    try {
      if (token === null) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, token);
    } catch {
      // Memory alone then.
    }
  },
};

/**
 * The one-time code in the address's fragment (#login=CODE), which is taken out of the address at once:
 * neither history nor a copied address nor a screenshot holds it any longer.
 */
export function takeLoginCode(place: Location, history: History): string | null {
  const found = /^#login=([A-Za-z0-9_-]{1,256})$/.exec(place.hash);
  if (!place.hash.startsWith("#login=")) return null;
  history.replaceState(history.state, "", place.pathname + place.search);
  return found?.[1] ?? null;
}
