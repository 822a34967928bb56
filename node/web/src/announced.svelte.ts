/** A list of announced assets: read by cursor, searched by words. */
import { explain, isAbort } from './api';
import { discover, type Announced } from './network';

const PAGE = 24;

export class AnnouncedList {
  items = $state<Announced[]>([]);
  phase = $state<'loading' | 'shown' | 'failed'>('loading');
  reason = $state('');
  query = $state('');
  #next = $state<string | null>(null);
  #reading: AbortController | null = null;
  readonly #publisher: string | undefined;

  /** Of one publisher, or of all. */
  constructor(publisher?: string) {
    this.#publisher = publisher;
  }

  get more(): boolean {
    return this.#next !== null;
  }

  /** Reads again from the start; as many items as are shown now. */
  async refresh(): Promise<void> {
    const limit = Math.min(Math.max(this.items.length, PAGE), 100);
    await this.#read({ limit }, (page) => page);
  }

  async search(query: string): Promise<void> {
    this.query = query.trim();
    await this.#read({ limit: PAGE }, (page) => page);
  }

  async loadMore(): Promise<void> {
    const cursor = this.#next;
    if (cursor === null) return;
    const known = new Set(this.items.map(keyOf));
    await this.#read({ cursor, limit: PAGE }, (page) => [...this.items, ...page.filter((one) => !known.has(keyOf(one)))]);
  }

  async #read(where: { cursor?: string; limit: number }, merge: (page: Announced[]) => Announced[]): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    const query = { ...where, q: this.query, ...(this.#publisher ? { publisher: this.#publisher } : {}) };
    try {
      const page = await discover(query, reading.signal);
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

export const keyOf = ({ publisher, id }: Announced) => `${publisher}/${id}`;

/** What the page "Discover" shows; kept while the reader looks at something else. */
export const discovered = new AnnouncedList();
