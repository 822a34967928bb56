/**
 * The node's event stream, shared by all pages. `fetch` instead of `EventSource`,
 * because the latter cannot carry a bearer token. While the stream is down the
 * listeners are told to read again every few seconds, so nothing goes stale.
 */
import { eventStream, isAbort, type Asset } from './api';
import { SseParser, type Message } from './sse';

export type Change =
  | { kind: 'asset'; asset: Asset }
  | { kind: 'deleted'; id: string }
  /** Something about publishers, peers or replicas changed. */
  | { kind: 'network' }
  /** Something may have been missed: read again. */
  | { kind: 'resync' };

type Listener = (change: Change) => void;

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 5_000;
/** The node sends a comment at least every 15 s; three missed ones mean a dead connection. */
const SILENCE = 45_000;

class Events {
  /** Whether changes arrive by themselves at the moment. */
  live = $state(false);
  #listeners = new Set<Listener>();
  #running: AbortController | null = null;

  /** Returns the function that ends the subscription. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#running ??= this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#running?.abort();
      this.#running = null;
    };
  }

  /** Connects anew, for example with another token. */
  restart(): void {
    if (!this.#running) return;
    this.#running.abort();
    this.#running = this.#start();
  }

  #start(): AbortController {
    const controller = new AbortController();
    void this.#run(controller.signal);
    return controller;
  }

  async #run(signal: AbortSignal): Promise<void> {
    let wait = FIRST_WAIT;
    while (!signal.aborted) {
      try {
        await this.#read(signal, () => (wait = FIRST_WAIT));
      } catch (error) {
        if (signal.aborted) return;
        if (!isAbort(error)) console.debug('event stream:', error);
      }
      this.live = false;
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, LONGEST_WAIT);
      if (!signal.aborted) this.#tell({ kind: 'resync' });
    }
  }

  async #read(signal: AbortSignal, onOpen: () => void): Promise<void> {
    const quiet = new AbortController();
    const response = await eventStream(AbortSignal.any([signal, quiet.signal]));
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) return;
    onOpen();
    this.live = true;
    this.#tell({ kind: 'resync' });
    const parser = new SseParser();
    for (;;) {
      const alarm = setTimeout(() => quiet.abort(), SILENCE);
      const { value, done } = await reader.read().finally(() => clearTimeout(alarm));
      if (done) return;
      for (const message of parser.push(value)) this.#dispatch(message);
    }
  }

  #dispatch({ event, data }: Message): void {
    if (event === 'asset') this.#tell({ kind: 'asset', asset: JSON.parse(data) as Asset });
    else if (event === 'deleted') this.#tell({ kind: 'deleted', id: (JSON.parse(data) as { id: string }).id });
    else if (event === 'network') this.#tell({ kind: 'network' });
    // The node says so when a slow reader missed events.
    else if (event === 'lagged') this.#tell({ kind: 'resync' });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

export const events = new Events();
