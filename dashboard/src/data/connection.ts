/**
 * JSON-RPC 2.0 over one WebSocket that comes back by itself.
 *
 * Requests are numbered and time out; a lost connection fails what waits on it. The service is asked
 * for heartbeats, so that a connection that is dead without saying so is noticed and replaced.
 */

import { backoffMs } from "./backoff";
import { Cell } from "./emitter";
import { type CallFailure, disconnected, malformed, refused, timedOut } from "./errors";

export type Link =
  | { kind: "connecting"; attempt: number }
  | { kind: "open" }
  | { kind: "disconnected"; attempt: number; retryAtMs: number }
  | { kind: "closed" };

export interface Socket {
  onopen: (() => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(text: string): void;
  close(): void;
}

/** The world outside, for tests to replace. */
export interface Surroundings {
  open(): Socket;
  now(): number;
  random(): number;
  after(ms: number, callback: () => void): unknown;
  cancel(timer: unknown): void;
}

export interface Sent {
  timeoutMs?: number;
}

interface Waiting {
  method: string;
  resolve: (result: unknown) => void;
  reject: (error: CallFailure) => void;
  timer: unknown;
}

export interface Measured {
  frames: number;
  bytes: number;
  parseMsMax: number;
  parseMsLast: number;
}

export const TIMEOUT_MS = 10_000;
export const HEARTBEAT_S = 10;
const SILENT_MS = (2 * HEARTBEAT_S + 5) * 1_000;
const BIG_FRAME = 65_536;

export class Connection {
  readonly link = new Cell<Link>({ kind: "closed" });
  /** What parsing frames of 64 kB and more has cost, for the figures of the page. */
  readonly measured: Measured = { frames: 0, bytes: 0, parseMsMax: 0, parseMsLast: 0 };
  /** When the last message came, by the clock of `now`. */
  heardAtMs = 0;
  onOpen: () => Promise<void> = async () => {};
  onNotification: (method: string, params: unknown) => void = () => {};

  private socket: Socket | null = null;
  private nextId = 1;
  private attempt = 0;
  private retryTimer: unknown = null;
  private watchTimer: unknown = null;
  private readonly waiting = new Map<number, Waiting>();

  constructor(private readonly around: Surroundings) {}

  start(): void {
    if (this.socket || this.retryTimer !== null) return;
    this.connect();
  }

  /** Leave for good, until `start` is called again. */
  stop(): void {
    this.forgetTimers();
    const socket = this.socket;
    this.drop();
    socket?.close();
    this.link.set({ kind: "closed" });
  }

  /** Connect at once instead of at the end of the wait. */
  retryNow(): void {
    if (this.link.get().kind !== "disconnected") return;
    this.forgetTimers();
    this.connect();
  }

  /** Close and connect anew, as after a login. */
  restart(): void {
    this.stop();
    this.attempt = 0;
    this.connect();
  }

  call(method: string, params: object, sent: Sent = {}): Promise<unknown> {
    const socket = this.socket;
    if (!socket || this.link.get().kind === "connecting") return Promise.reject(disconnected());
    const id = this.nextId++;
    const timeoutMs = sent.timeoutMs ?? TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const timer = this.around.after(timeoutMs, () => {
        this.waiting.delete(id);
        reject(timedOut(method, timeoutMs));
      });
      this.waiting.set(id, { method, resolve, reject, timer });
      try {
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      } catch {
        this.settle(id)?.reject(disconnected());
      }
    });
  }

  private connect(): void {
    this.link.set({ kind: "connecting", attempt: this.attempt });
    let socket: Socket;
    try {
      socket = this.around.open();
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => this.heard(socket, event.data);
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
    socket.onerror = () => {};
  }

  private opened(socket: Socket): void {
    if (this.socket !== socket) return;
    this.heardAtMs = this.around.now();
    this.link.set({ kind: "open" });
    this.watch();
    this.call("public/set_heartbeat", { interval: HEARTBEAT_S }).catch(() => {});
    this.onOpen().catch(() => {});
  }

  /** Notice a connection on which nothing comes although heartbeats were asked for. */
  private watch(): void {
    this.watchTimer = this.around.after(SILENT_MS / 5, () => {
      if (this.around.now() - this.heardAtMs > SILENT_MS) {
        const socket = this.socket;
        this.lost();
        socket?.close();
      } else {
        this.watch();
      }
    });
  }

  private lost(): void {
    this.forgetTimers();
    this.drop();
    const wait = backoffMs(this.attempt, this.around.random());
    this.attempt += 1;
    const retryAtMs = this.around.now() + wait;
    this.retryTimer = this.around.after(wait, () => {
      this.retryTimer = null;
      this.connect();
    });
    this.link.set({ kind: "disconnected", attempt: this.attempt, retryAtMs });
  }

  private drop(): void {
    if (this.socket) {
      this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
      this.socket = null;
    }
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(disconnected());
  }

  private forgetTimers(): void {
    for (const timer of [this.retryTimer, this.watchTimer]) {
      if (timer !== null) this.around.cancel(timer);
    }
    this.retryTimer = this.watchTimer = null;
  }

  private settle(id: number): Waiting | undefined {
    const found = this.waiting.get(id);
    if (found) {
      this.waiting.delete(id);
      this.around.cancel(found.timer);
    }
    return found;
  }

  private heard(socket: Socket, data: unknown): void {
    if (this.socket !== socket || typeof data !== "string") return;
    this.heardAtMs = this.around.now();
    this.attempt = 0;
    const message = this.parse(data);
    if (message === null) return;
    if (typeof message.method === "string") {
      this.told(message.method, message.params);
    } else if (typeof message.id === "number") {
      const found = this.settle(message.id);
      if (!found) return;
      if (message.error) found.reject(refused(message.error as never));
      else if ("result" in message) found.resolve(message.result);
      else found.reject(malformed("an answer has neither result nor error"));
    }
  }

  private parse(text: string): Record<string, unknown> | null {
    const began = text.length >= BIG_FRAME ? performance.now() : 0;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return null;
    }
    if (began) {
      const took = performance.now() - began;
      this.measured.frames += 1;
      this.measured.bytes += text.length;
      this.measured.parseMsLast = took;
      this.measured.parseMsMax = Math.max(this.measured.parseMsMax, took);
    }
    return typeof message === "object" && message !== null && !Array.isArray(message)
      ? (message as Record<string, unknown>)
      : null;
  }

  private told(method: string, params: unknown): void {
    if (method === "heartbeat") {
      if ((params as { type?: string } | null)?.type === "test_request") {
        this.call("public/test", {}).catch(() => {});
      }
    } else {
      this.onNotification(method, params);
    }
  }
}

/** The real world: a WebSocket of the origin that served the page. */
export function browserSurroundings(path: string): Surroundings {
  return {
    open: () => {
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      return new WebSocket(`${scheme}//${location.host}${path}`) as unknown as Socket;
    },
    now: () => performance.now(),
    random: () => Math.random(),
    after: (ms, callback) => setTimeout(callback, ms),
    cancel: (timer) => clearTimeout(timer as number),
  };
}
