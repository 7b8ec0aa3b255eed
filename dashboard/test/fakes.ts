/** A clock and a socket that the tests move by hand. */

import type { Socket, Surroundings } from "../src/data/connection";
import type { Frames } from "../src/data/emitter";

export class FakeClock {
  now = 0;
  private timers = new Map<number, { at: number; callback: () => void }>();
  private next = 1;

  after = (ms: number, callback: () => void): number => {
    this.timers.set(this.next, { at: this.now + ms, callback });
    return this.next++;
  };

  cancel = (timer: unknown): void => {
    this.timers.delete(timer as number);
  };

  /** Let time pass, calling what is due in order. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end);
      due.sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
      const first = due[0];
      if (!first) break;
      this.timers.delete(first[0]);
      this.now = first[1].at;
      first[1].callback();
    }
    this.now = end;
  }

  frames(): Frames {
    return {
      now: () => this.now,
      next: (callback) => void this.after(16, callback),
      later: (callback, ms) => void this.after(ms, callback),
    };
  }
}

export class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  onmessage: Socket["onmessage"] = null;
  sent: { id: number; method: string; params: Record<string, unknown> }[] = [];
  isClosed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.();
  }

  fall(): void {
    this.onclose?.({ code: 1006, reason: "" });
  }

  tell(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Answer the latest request of a method. */
  answer(method: string, result: unknown): void {
    this.tell({ jsonrpc: "2.0", id: this.last(method).id, result });
  }

  refuse(method: string, error: object): void {
    this.tell({ jsonrpc: "2.0", id: this.last(method).id, error });
  }

  last(method: string) {
    const found = this.sent.findLast((request) => request.method === method);
    if (!found) throw new Error(`nothing was asked of ${method}`);
    return found;
  }
}

export function fakeSurroundings(clock: FakeClock, random = () => 0.5) {
  const sockets: FakeSocket[] = [];
  const around: Surroundings = {
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    now: () => clock.now,
    random,
    after: clock.after,
    cancel: clock.cancel,
  };
  return { around, sockets, latest: () => sockets.at(-1) as FakeSocket };
}

/** Let what waits on promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
