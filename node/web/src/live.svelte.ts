/**
 * One answer of the API that a page shows: read at once, again when the node tells of a change,
 * and now and then besides, because counts and rates have no events of their own.
 */
import { untrack } from 'svelte';
import { ApiError, explain, isAbort } from './api';
import { events } from './events.svelte';
import { token } from './token.svelte';

const EVERY = 10_000;
/** Changes come in bursts; one look answers all of them. */
const SETTLE = 300;

export class Live<T> {
  value = $state.raw<T | null>(null);
  trouble = $state('');
  /** The node says that there is no such thing. */
  gone = $state(false);
  readonly #read: (signal: AbortSignal) => Promise<T>;
  #reading: AbortController | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;

  /** Belongs to the component that is being set up, and ends with it. `every` is in milliseconds. */
  constructor(read: (signal: AbortSignal) => Promise<T>, every: number = EVERY) {
    this.#read = read;
    $effect(() => {
      void token.generation;
      untrack(() => void this.refresh());
      const leave = events.subscribe(() => this.#later());
      const clock = setInterval(() => document.visibilityState === 'visible' && this.#later(), every);
      return () => {
        leave();
        clearInterval(clock);
        clearTimeout(this.#soon);
        this.#reading?.abort();
      };
    });
  }

  async refresh(): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    try {
      this.value = await this.#read(reading.signal);
      this.trouble = '';
      this.gone = false;
    } catch (error) {
      if (isAbort(error)) return;
      this.gone = error instanceof ApiError && error.status === 404;
      this.trouble = explain(error);
    }
  }

  /** Does something at the node, then reads again; what went wrong is shown. */
  async after(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
    } catch (error) {
      this.trouble = explain(error);
      return false;
    }
    await this.refresh();
    return true;
  }

  #later(): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.refresh(), SETTLE);
  }
}
