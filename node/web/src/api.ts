/**
 * The node's HTTP API as the app sees it: one function per route, typed answers,
 * and one error class that carries the problem document (RFC 9457).
 */
import { token } from './token.svelte';

export const STATES = ['queued', 'probing', 'transcoding', 'packaging', 'pinning', 'ready', 'failed'] as const;
export type AssetState = (typeof STATES)[number];

export const VISIBILITIES = ['private', 'unlisted', 'public'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

export interface Problem {
  type: string;
  title: string;
  detail: string;
  permanent?: boolean;
}

export interface Rendition {
  name: string;
  kind: string;
  width: number | null;
  height: number | null;
  codec: string | null;
  /** Bits per second. */
  bitrate: number | null;
}

export interface Asset {
  id: string;
  title: string;
  description: string;
  tags: string[];
  state: AssetState;
  visibility: Visibility;
  root: string | null;
  play_url: string;
  embed_url: string;
  poster_url: string | null;
  gateway_url: string | null;
  /** Percent, 0 to 100. */
  progress: number;
  /** Encoding speed as a multiple of playback speed. */
  speed: number | null;
  error: Problem | null;
  source: { name: string; bytes: number; cid: string };
  /** Seconds. */
  duration: number | null;
  renditions: Rendition[];
  /** Bytes of the whole package. */
  bytes: number | null;
  /** Milliseconds since 1970. */
  created_at: number;
  updated_at: number;
  /** Where it stands with the publisher's feed; null where nothing is announced. */
  announcement?: AssetAnnouncement | null;
  /** Times that it was watched, here and where the totals are shared. */
  views?: number;
}

export interface AssetAnnouncement {
  publisher: string;
  publisher_name: string;
  /** announced, waiting, retracted or none. */
  state: string;
  seq: number | null;
  cid: string | null;
  at: number | null;
  /** After a retraction: what was told to everyone. */
  reason: string | null;
  copies: number;
  /** After a retraction: nodes that have answered, and holders that have not. */
  answered: number;
  unanswered: number;
  holders: { peer: string; renditions: string[] | null; state: string; until: number | null; retraction: string | null }[];
}

export interface Page {
  items: Asset[];
  next: string | null;
}

export interface AssetPatch {
  title?: string;
  description?: string;
  tags?: string[];
  visibility?: Visibility;
}

/** What the settings page shows of the node; everything may be missing. */
export interface NodeInfo {
  version?: string;
  peer_id?: string;
  addresses?: string[];
  gateway_url?: string;
  encoder?: string;
  /** What keeps copies on several nodes: embedded or ipfs-cluster. */
  cluster_engine?: string;
  max_upload_bytes?: number;
  store?: { blocks?: number; bytes?: number; pins?: number; free_bytes?: number };
}

export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail || problem.title);
  }
}

export const UPLOADS = '/api/v1/uploads';
const ASSETS = '/api/v1/assets';

export const listAssets = (query: { q?: string; cursor?: string; limit?: number }, signal?: AbortSignal) => {
  const parameters = new URLSearchParams();
  if (query.q) parameters.set('q', query.q);
  if (query.cursor) parameters.set('cursor', query.cursor);
  if (query.limit) parameters.set('limit', String(query.limit));
  return call<Page>('GET', `${ASSETS}?${parameters}`, { signal });
};
export const getAsset = (id: string, signal?: AbortSignal) => call<Asset>('GET', asset(id), { signal });
export const editAsset = (id: string, patch: AssetPatch) => call<Asset>('PATCH', asset(id), { body: patch });
export const deleteAsset = (id: string) => call<void>('DELETE', asset(id));
export const retryAsset = (id: string) => call<Asset>('POST', `${asset(id)}/retry`);
export const nodeInfo = (signal?: AbortSignal) => call<NodeInfo>('GET', '/api/v1/node', { signal });
export const eventStream = (signal: AbortSignal) =>
  send('GET', '/api/v1/events', { signal, accept: 'text/event-stream' });

/** The problem in an error answer's body, or one made from its status. */
export function problemFrom(status: number, body: string): Problem {
  try {
    const parsed = JSON.parse(body) as Partial<Problem>;
    if (typeof parsed.title === 'string') return { type: 'about:blank', detail: '', ...parsed } as Problem;
  } catch {
    // Not a problem document: something between the page and the node answered.
  }
  const title = status === 0 ? 'The node cannot be reached' : `The node answered with status ${status}`;
  return { type: 'about:blank', title, detail: status === 0 ? 'Check that cidcast is running.' : body.slice(0, 200) };
}

/** A sentence for people, whatever was thrown. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) {
    const { title, detail } = error.problem;
    return detail && detail !== title ? `${title}: ${detail}` : title;
  }
  return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

interface Options {
  body?: unknown;
  /** Bytes to send as they are. */
  raw?: ArrayBuffer;
  signal?: AbortSignal | undefined;
  accept?: string;
}

const asset = (id: string) => `${ASSETS}/${encodeURIComponent(id)}`;

/** One JSON call; other modules describe their routes with it. */
export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** One call whose answer is not JSON. */
export async function send(method: string, path: string, { body, raw, signal, accept }: Options): Promise<Response> {
  const headers: Record<string, string> = { accept: accept ?? 'application/json', ...token.headers() };
  const init: RequestInit = { method, headers };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  } else if (raw !== undefined) {
    headers['content-type'] = 'application/octet-stream';
    init.body = raw;
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, problemFrom(0, ''));
  }
  if (response.ok) return response;
  if (response.status === 401) token.refused();
  throw new ApiError(response.status, problemFrom(response.status, await response.text()));
}
