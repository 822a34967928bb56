/** The bearer token: asked for when the node answers 401, forgotten with the tab. */

const KEY = 'cidcast.token';

class Token {
  /** The dialog shows while this is true. */
  wanted = $state(false);
  /** Grows with every change, so that readers start over. */
  generation = $state(0);
  #value = $state(read());
  #declined = false;

  get present(): boolean {
    return this.#value !== '';
  }

  headers(): Record<string, string> {
    return this.#value === '' ? {} : { authorization: `Bearer ${this.#value}` };
  }

  /** The reader wants to give one. */
  ask(): void {
    this.wanted = true;
  }

  /** The node wants one. Whoever closed the dialog is not asked again and again. */
  refused(): void {
    if (!this.#declined) this.wanted = true;
  }

  decline(): void {
    this.wanted = false;
    this.#declined = true;
  }

  save(value: string): void {
    this.#value = value.trim();
    if (this.#value === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, this.#value);
    this.wanted = false;
    this.#declined = false;
    this.generation += 1;
  }
}

function read(): string {
  return sessionStorage.getItem(KEY) ?? '';
}

export const token = new Token();
