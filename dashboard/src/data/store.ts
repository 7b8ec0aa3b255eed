/** A channel's state outside React: one store a channel, shared by all who read it, told at most 5 times a second. */

import type { Channels, Word } from "./channels";
import { Coalescer, Emitter, type Frames } from "./emitter";

/** What a reader of a channel sees. data: null before the first message; word says why. */
export interface Told<T> {
  data: T | null;
  word: Word;
}

/** Puts a message into the state so far: returns the state after it. */
export type Apply<T, M> = (before: T | null, message: M, isSnapshot: boolean) => T;

export class ChannelStore<T, M = T> {
  private readonly emitter = new Emitter();
  private readonly coalescer: Coalescer;
  private state: T | null = null;
  private seen: Told<T> = { data: null, word: { kind: "waiting" } };
  private stop: (() => void) | null = null;

  constructor(
    private readonly channels: Channels,
    readonly channel: string,
    private readonly apply: Apply<T, M>,
    leastMs = 200,
    frames?: Frames,
  ) {
    this.coalescer = new Coalescer(() => this.flush(), leastMs, frames);
  }

  readonly get = (): Told<T> => this.seen;

  readonly subscribe = (listener: () => void): (() => void) => {
    const leave = this.emitter.subscribe(listener);
    this.stop ??= this.channels.read(this.channel, (message, isSnapshot) => {
      // What a channel told before it failed may be of another instant.
      this.state = message === null ? null : this.apply(this.state, message as M, isSnapshot);
      this.coalescer.mark();
    });
    return () => {
      leave();
      if (this.emitter.isHeard) return;
      this.stop?.();
      this.stop = null;
    };
  };

  private flush(): void {
    this.seen = { data: this.state, word: this.channels.word(this.channel) };
    this.emitter.emit();
  }
}

/** The whole state comes each time. */
export const replace = <T>(_before: T | null, message: T): T => message;

/** Lines that are added at the end, the newest `most` of them kept. */
export function appended<K extends string, L>(key: K, most: number) {
  return <M extends Record<K, L[]>>(before: M | null, message: M, isSnapshot: boolean): M => {
    const lines = isSnapshot || !before ? message[key] : [...before[key], ...message[key]];
    return { ...message, [key]: lines.slice(-most) };
  };
}
