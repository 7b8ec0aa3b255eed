/** The accounts table's store: columns filled from the channel, rows in the order that is wished for. */

import type { AccountsData } from "../wire";
import { AccountColumns } from "./accounts";
import { AccountsOrder, type Wish } from "./accounts_order";
import type { Channels, Word } from "./channels";
import { Coalescer, Emitter, type Frames } from "./emitter";

const CHANNEL = "accounts.200ms";

export interface AccountsSeen {
  columns: AccountColumns;
  word: Word;
  /** Rises when something changed. */
  version: number;
}

/** How long the latest sorts took, in milliseconds, for the page's own figures. */
export const sortMs: number[] = [];

export class AccountsStore {
  readonly columns = new AccountColumns();
  private readonly emitter = new Emitter();
  private readonly coalescer: Coalescer;
  private seen: AccountsSeen;
  private stop: (() => void) | null = null;

  constructor(
    private readonly channels: Channels,
    frames?: Frames,
  ) {
    this.seen = { columns: this.columns, word: { kind: "waiting" }, version: 0 };
    this.coalescer = new Coalescer(() => this.flush(), 200, frames);
  }

  readonly get = (): AccountsSeen => this.seen;

  readonly subscribe = (listener: () => void): (() => void) => {
    const leave = this.emitter.subscribe(listener);
    this.stop ??= this.channels.read(CHANNEL, (message, isSnapshot) => {
      if (message !== null) this.columns.apply(message as AccountsData, isSnapshot);
      this.coalescer.mark();
    });
    return () => {
      leave();
      if (this.emitter.isHeard) return;
      this.stop?.();
      this.stop = null;
    };
  };

  /** An order over the columns; each table has its own. */
  order(): AccountsOrder {
    return new AccountsOrder(this.columns);
  }

  private flush(): void {
    this.seen = {
      columns: this.columns,
      word: this.channels.word(CHANNEL),
      version: this.columns.version,
    };
    this.emitter.emit();
  }
}

/** Row numbers as wished, with the time it took noted. */
export function timedRows(order: AccountsOrder, wish: Wish): Int32Array {
  const began = performance.now();
  const rows = order.rows(wish);
  sortMs.push(performance.now() - began);
  if (sortMs.length > 50) sortMs.shift();
  return rows;
}
