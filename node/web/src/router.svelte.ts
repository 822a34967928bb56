/** Addresses of the app: the library at `/`, one asset at `/watch/{id}`, and what others announce. */

export const NETWORK_TABS = ['publishers', 'replication', 'peers', 'blocks'] as const;
export type NetworkTab = (typeof NETWORK_TABS)[number];

export type Route =
  | { page: 'library' }
  | { page: 'watch'; id: string }
  | { page: 'settings' }
  | { page: 'discover' }
  | { page: 'announced'; publisher: string; id: string }
  | { page: 'publisher'; publisher: string }
  | { page: 'network'; tab: NetworkTab }
  | { page: 'cluster' }
  | { page: 'unknown' };

export function parseRoute(path: string): Route {
  const [first = '', second, third, ...more] = path
    .split('/')
    .filter((name) => name !== '')
    .map(decodeURIComponent);
  if (more.length > 0) return { page: 'unknown' };
  if (first === 'discover' && second !== undefined && third !== undefined) {
    return { page: 'announced', publisher: second, id: third };
  }
  if (third !== undefined) return { page: 'unknown' };
  if (first === 'watch' && second !== undefined) return { page: 'watch', id: second };
  if (first === 'publisher' && second !== undefined) return { page: 'publisher', publisher: second };
  if (first === 'network') {
    const tab = NETWORK_TABS.find((name) => name === (second ?? 'publishers'));
    return tab ? { page: 'network', tab } : { page: 'unknown' };
  }
  if (second !== undefined) return { page: 'unknown' };
  if (first === '') return { page: 'library' };
  return first === 'settings' || first === 'discover' || first === 'cluster' ? { page: first } : { page: 'unknown' };
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
export const publisherPath = (publisher: string) => `/publisher/${encodeURIComponent(publisher)}`;
export const announcedPath = (publisher: string, id: string) =>
  `/discover/${encodeURIComponent(publisher)}/${encodeURIComponent(id)}`;
export const networkPath = (tab: NetworkTab) => (tab === 'publishers' ? '/network' : `/network/${tab}`);
