/** State outside React: a value, its readers, and no more renders than a reader asked for. */

export type Listener = () => void;

/** A set of listeners; emitting while one is removed is safe. */
export class Emitter {
  private readonly listeners = new Set<Listener>();

  readonly subscribe = (listener: Listener): Listener => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  get isHeard(): boolean {
    return this.listeners.size > 0;
  }

  emit(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** A value with its listeners; setting an equal value tells nobody. */
export class Cell<T> extends Emitter {
  constructor(private value: T) {
    super();
  }

  readonly get = (): T => this.value;

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    this.emit();
  }
}

export interface Frames {
  now(): number;
  /** Calls back before the next paint, or soon in a hidden page, which paints nothing. */
  next(callback: () => void): void;
  later(callback: () => void, ms: number): void;
}

export const browserFrames: Frames = {
  now: () => performance.now(),
  next: (callback) => {
    if (typeof document !== "undefined" && document.hidden) setTimeout(callback, 0);
    else requestAnimationFrame(callback);
  },
  later: (callback, ms) => {
    setTimeout(callback, ms);
  },
};

/**
 * Calls `flush` once for any number of `mark`s: before a paint, and at most once in `leastMs`.
 *
 * Messages may come at any rate; people read five states a second at most.
 */
export class Coalescer {
  private isWaiting = false;
  private flushedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly flush: () => void,
    private readonly leastMs = 200,
    private readonly frames: Frames = browserFrames,
  ) {}

  readonly mark = (): void => {
    if (this.isWaiting) return;
    this.isWaiting = true;
    const wait = this.leastMs - (this.frames.now() - this.flushedAt);
    if (wait > 0) this.frames.later(() => this.frames.next(this.run), wait);
    else this.frames.next(this.run);
  };

  private readonly run = (): void => {
    this.isWaiting = false;
    this.flushedAt = this.frames.now();
    this.flush();
  };
}
