/** The list on the first page: read by cursor, kept current by events. */
import { explain, isAbort, listAssets, type Asset } from './api';
import type { Change } from './events.svelte';

const PAGE = 24;

class Library {
  items = $state<Asset[]>([]);
  phase = $state<'loading' | 'shown' | 'failed'>('loading');
  reason = $state('');
  query = $state('');
  #next = $state<string | null>(null);
  #reading: AbortController | null = null;

  get more(): boolean {
    return this.#next !== null;
  }

  /** Reads again from the start; as many items as are shown now. */
  async refresh(): Promise<void> {
    const limit = Math.min(Math.max(this.items.length, PAGE), 100);
    await this.#read({ limit }, (page) => page);
  }

  async loadMore(): Promise<void> {
    const cursor = this.#next;
    if (cursor === null) return;
    const known = new Set(this.items.map(({ id }) => id));
    await this.#read({ cursor, limit: PAGE }, (page) => [...this.items, ...page.filter(({ id }) => !known.has(id))]);
  }

  async search(query: string): Promise<void> {
    this.query = query.trim();
    await this.#read({ limit: PAGE }, (page) => page);
  }

  apply(change: Change): void {
    if (change.kind === 'resync') return void this.refresh();
    if (change.kind === 'deleted') return this.remove(change.id);
    if (change.kind !== 'asset') return;
    const { asset } = change;
    const index = this.items.findIndex(({ id }) => id === asset.id);
    if (index >= 0) this.items[index] = asset;
    // Whether a new one matches the search only the node knows.
    else if (this.query !== '') void this.refresh();
    else if (asset.created_at >= (this.items[0]?.created_at ?? 0)) this.items.unshift(asset);
  }

  remove(id: string): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  async #read(where: { cursor?: string; limit: number }, merge: (page: Asset[]) => Asset[]): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    try {
      const page = await listAssets({ ...where, q: this.query }, reading.signal);
      this.items = merge(page.items);
      this.#next = page.next;
      this.phase = 'shown';
    } catch (error) {
      if (isAbort(error)) return;
      this.reason = explain(error);
      this.phase = 'failed';
    }
  }
}

export const library = new Library();
