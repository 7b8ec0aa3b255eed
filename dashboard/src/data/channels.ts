/**
 * Subscriptions: which channels are wanted, whether each is gapless, and who reads it.
 *
 * A channel with deltas begins with a snapshot; a change names the one before it. Where that is not the
 * one that was seen, something was missed: the change is dropped and the channel is subscribed to again.
 */

import { Emitter } from "./emitter";
import { asFailure, type CallFailure } from "./errors";

export type Word = { kind: "waiting" } | { kind: "told" } | { kind: "failed"; error: CallFailure };

interface Stamped {
  type?: "snapshot" | "change";
  change_id?: number;
  previous_change_id?: number | null;
}

/** Applies what a channel carries; isSnapshot: forget what was before. */
export type Reader = (data: unknown, isSnapshot: boolean) => void;

interface Wanted {
  readers: Set<Reader>;
  lastChange: number | null;
  isWaitingForSnapshot: boolean;
  word: Word;
  heard: Emitter;
}

export interface Wire {
  subscribe(channels: string[]): Promise<unknown>;
  unsubscribe(channels: string[]): Promise<unknown>;
}

export class Channels {
  /** How often a gap was seen since the page was opened. */
  gaps = 0;
  private readonly wanted = new Map<string, Wanted>();
  private isOpen = false;
  private joining: string[] = [];

  constructor(
    private readonly wire: Wire,
    private readonly leaveAfterMs = 2_000,
  ) {}

  /** Read a channel until the returned function is called; several readers share one subscription. */
  read(channel: string, reader: Reader): () => void {
    let wanted = this.wanted.get(channel);
    const isNew = wanted === undefined;
    if (!wanted) {
      wanted = {
        readers: new Set(),
        lastChange: null,
        isWaitingForSnapshot: true,
        word: { kind: "waiting" },
        heard: new Emitter(),
      };
      this.wanted.set(channel, wanted);
    }
    wanted.readers.add(reader);
    if (this.isOpen) {
      // A second reader has missed the snapshot, so the channel begins anew for all of them.
      if (isNew) this.join(channel);
      else void this.again(channel, wanted);
    }
    return () => this.release(channel, reader);
  }

  /** Whether the channel has told something yet, or why not. */
  word(channel: string): Word {
    return this.wanted.get(channel)?.word ?? { kind: "waiting" };
  }

  /** The connection is there and proven: subscribe to all that is wanted. */
  opened(): void {
    this.isOpen = true;
    for (const wanted of this.wanted.values()) this.expect(wanted);
    for (const channel of this.wanted.keys()) this.join(channel);
  }

  /** Leave every channel, as before another instant is shown; `opened` begins them anew. */
  async leave(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const wanted of this.wanted.values()) this.expect(wanted);
    try {
      if (this.wanted.size) await this.wire.unsubscribe([...this.wanted.keys()]);
    } catch {
      // Subscribing says what is wrong.
    }
  }

  /** The connection is gone; what was told stays, the readers know its age. */
  lost(): void {
    this.isOpen = false;
    this.joining = [];
  }

  /** Take a notification of a channel. */
  told(channel: string, data: unknown): void {
    const wanted = this.wanted.get(channel);
    if (!wanted) return;
    const stamped = data as Stamped;
    const isSnapshot = stamped.type !== "change";
    if (stamped.type === "change") {
      if (wanted.isWaitingForSnapshot) return;
      if (stamped.previous_change_id !== wanted.lastChange) {
        this.gaps += 1;
        void this.again(channel, wanted);
        return;
      }
    }
    wanted.isWaitingForSnapshot = false;
    wanted.lastChange = stamped.change_id ?? null;
    wanted.word = { kind: "told" };
    for (const reader of [...wanted.readers]) reader(data, isSnapshot);
  }

  /** The service says that a channel has nothing to tell, as of an instant at which there was none. */
  failed(channel: string, error: CallFailure): void {
    const wanted = this.wanted.get(channel);
    if (!wanted) return;
    wanted.word = { kind: "failed", error };
    for (const reader of [...wanted.readers]) reader(null, false);
  }

  private release(channel: string, reader: Reader): void {
    const wanted = this.wanted.get(channel);
    if (!wanted) return;
    wanted.readers.delete(reader);
    if (wanted.readers.size > 0) return;
    // The next page often wants the same channel, once its code has come: wait a moment.
    setTimeout(() => {
      if (wanted.readers.size > 0 || this.wanted.get(channel) !== wanted) return;
      this.wanted.delete(channel);
      if (this.isOpen) this.wire.unsubscribe([channel]).catch(() => {});
    }, this.leaveAfterMs);
  }

  private expect(wanted: Wanted): void {
    wanted.isWaitingForSnapshot = true;
    wanted.lastChange = null;
  }

  private async again(channel: string, wanted: Wanted): Promise<void> {
    this.expect(wanted);
    try {
      await this.wire.unsubscribe([channel]);
    } catch {
      // Subscribing says what is wrong.
    }
    if (this.isOpen && this.wanted.get(channel) === wanted) this.join(channel);
  }

  /** Subscribe, all that is asked for in one turn together. */
  private join(channel: string): void {
    this.joining.push(channel);
    if (this.joining.length > 1) return;
    queueMicrotask(() => {
      const channels = [...new Set(this.joining)].filter((each) => this.wanted.has(each));
      this.joining = [];
      if (channels.length) void this.subscribe(channels);
    });
  }

  private async subscribe(channels: string[]): Promise<void> {
    try {
      await this.wire.subscribe(channels);
    } catch (error) {
      if (channels.length > 1) {
        // One that may not be read fails them all: ask for each, so that the others come.
        for (const channel of channels) void this.subscribe([channel]);
        return;
      }
      const wanted = channels[0] === undefined ? undefined : this.wanted.get(channels[0]);
      if (!wanted) return;
      wanted.word = { kind: "failed", error: asFailure(error) };
      for (const reader of [...wanted.readers]) reader(null, false);
    }
  }
}
