/**
 * Playing: which event is due next, at a multiple of the market's own pace.
 *
 * One question is under way at a time. What takes longer than its step is caught up with by a longer
 * step, and where even that falls behind, the pace falls instead: nothing waits in a queue.
 */

import { clamp, type Scale, seqNear, timeOf } from "./scale";

/** The longest step, in seconds of the wall clock: beyond it playing slows down. */
const STEP_S_MAX = 2;

export class Player {
  private atSeq: number;
  private atUs: number;
  private sinceMs: number;
  private asked: number | null = null;

  constructor(
    seq: number,
    readonly speed: number,
    nowMs: number,
    scale: Scale,
  ) {
    this.atSeq = seq;
    this.atUs = timeOf(scale, seq);
    this.sinceMs = nowMs;
  }

  /** The event to go to now; null while one is under way, or nothing has happened meanwhile. */
  due(nowMs: number, scale: Scale): number | null {
    if (this.asked !== null) return null;
    const passedS = clamp((nowMs - this.sinceMs) / 1_000, 0, STEP_S_MAX);
    const timeUs = this.atUs + passedS * this.speed * 1e6;
    const last = scale.seqs.at(-1) ?? 0;
    const seq = clamp(seqNear(scale, timeUs), this.atSeq, last);
    if (seq <= this.atSeq) return null;
    this.sinceMs = nowMs;
    this.atUs = timeUs;
    this.atSeq = seq;
    this.asked = seq;
    return seq;
  }

  /** What was asked for is shown. */
  arrived(seq: number): void {
    if (this.asked === seq) this.asked = null;
  }

  /** Whether there is nothing behind. */
  isAtEnd(scale: Scale): boolean {
    return this.asked === null && this.atSeq >= (scale.seqs.at(-1) ?? 0);
  }
}
