/** Light or dark: the system's choice until the reader makes one. */

const KEY = 'cidcast.theme';
type Choice = 'light' | 'dark';

class Theme {
  #system = matchMedia('(prefers-color-scheme: light)');
  shown = $state<Choice>(stored() ?? (this.#system.matches ? 'light' : 'dark'));

  constructor() {
    this.#apply();
    this.#system.addEventListener('change', () => {
      if (stored()) return;
      this.shown = this.#system.matches ? 'light' : 'dark';
      this.#apply();
    });
  }

  toggle(): void {
    this.shown = this.shown === 'dark' ? 'light' : 'dark';
    localStorage.setItem(KEY, this.shown);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.shown;
  }
}

function stored(): Choice | null {
  const value = localStorage.getItem(KEY);
  return value === 'light' || value === 'dark' ? value : null;
}

export const theme = new Theme();
