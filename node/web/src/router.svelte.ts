/** Two kinds of address: the library at `/`, one asset at `/watch/{id}`, plus `/settings`. */

export type Route = { page: 'library' } | { page: 'watch'; id: string } | { page: 'settings' } | { page: 'unknown' };

export function parseRoute(path: string): Route {
  if (path === '/') return { page: 'library' };
  if (path === '/settings') return { page: 'settings' };
  const id = /^\/watch\/([^/]+)\/?$/.exec(path)?.[1];
  return id ? { page: 'watch', id: decodeURIComponent(id) } : { page: 'unknown' };
}

class Router {
  route = $state<Route>(parseRoute(location.pathname));

  constructor() {
    addEventListener('popstate', () => (this.route = parseRoute(location.pathname)));
    document.addEventListener('click', (event) => this.#followed(event));
  }

  go(path: string): void {
    history.pushState(null, '', path);
    this.route = parseRoute(location.pathname);
    scrollTo(0, 0);
    // Readers of the screen start at the new content, not where the old link was.
    document.getElementById('start')?.focus({ preventScroll: true });
  }

  /** Plain clicks on the app's own links stay in the page. */
  #followed(event: MouseEvent): void {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!plain || event.defaultPrevented || !link || link.target || link.origin !== location.origin) return;
    if (link.hasAttribute('download') || parseRoute(link.pathname).page === 'unknown') return;
    event.preventDefault();
    this.go(link.pathname);
  }
}

export const router = new Router();
export const watchPath = (id: string) => `/watch/${encodeURIComponent(id)}`;
