/**
 * The part of the node's API about publishers, feeds, replicas and peers: one function per route,
 * typed answers. Times are milliseconds since 1970 unless they say otherwise.
 */
import { call, send } from './api';

/** Where this node's own publisher stands with its feed. */
export type OwnState = 'off' | 'empty' | 'ready' | 'catching-up' | 'waiting' | 'forked';

/** Who this node announces as. */
export interface OwnPublisher {
  publisher: string;
  name: string;
  about: string;
  web: string | null;
  nodes: string[];
  /** Number of the latest announcement; null before the first. */
  seq: number | null;
  state: OwnState;
  /** What is being waited for, or what went wrong, in words. */
  detail: string | null;
  /** Public videos whose packages are not whole yet. */
  pending: number;
  /** off, follows or open: what is indexed of others. */
  mode: string;
}

export interface ProfilePatch {
  name?: string;
  about?: string;
  web?: string | null;
}

export type FeedState = 'current' | 'behind' | 'error' | 'forked' | 'revoked' | 'blocked' | 'unknown';

export interface Feed {
  publisher: string;
  name: string;
  about: string;
  web: string | null;
  own: boolean;
  followed: boolean;
  state: FeedState;
  /** Announcements that are here. */
  have: number;
  /** How many there are, as far as a signature proves. */
  latest: number;
  /** Announcements that are missing here. */
  lag: number;
  /** The peer that was asked last. */
  from: string | null;
  error: string | null;
  next_try_at: number | null;
  /** When the last announcement came here. */
  recorded_at: number | null;
  /** Since when contradicting announcements are known: the key was cloned, or its owner is dishonest. */
  forked_at: number | null;
  assets: number;
  /** Disk space that its announcements take. */
  bytes: number;
}

export interface Feeds {
  items: Feed[];
  next: string | null;
}

export interface AnnouncementLine {
  seq: number;
  cid: string;
  at: number;
  /** What it does, in words: `publish “Title”`. */
  ops: string[];
}

/** The state of a feed at a number, as blocks that newcomers begin with. */
export interface FeedSnapshot {
  seq: number;
  /** Its size, if it is held here. */
  bytes: number | null;
}

export interface FeedDetail extends Feed {
  nodes: string[];
  rss_url: string;
  snapshot: FeedSnapshot | null;
  announcements: AnnouncementLine[];
  /** Pairs of announcements that contradict each other. */
  forks: { seq: number; seen_at: number }[];
}

/** One asset that a publisher has announced. */
export interface Announced {
  publisher: string;
  publisher_name: string;
  id: string;
  title: string;
  description: string;
  tags: string[];
  root: string;
  /** Seconds. */
  duration: number;
  bytes: number;
  created_at: number;
  /** Announcement that its present state comes from. */
  seq: number;
  announced_at: number;
  /** own, whole, part, coming or none: what of it is on this node. */
  here: 'own' | 'whole' | 'part' | 'coming' | 'none';
  /** Nodes that are known to hold it. */
  copies: number;
  views: number;
  play_url: string;
  embed_url: string;
  poster_url: string | null;
}

export interface AnnouncedPage {
  items: Announced[];
  next: string | null;
}

export interface AnnouncedRendition {
  name: string;
  kind: string;
  width: number | null;
  height: number | null;
  bytes: number;
}

export interface Holder {
  peer: string;
  /** Names of renditions; null: all of them. */
  renditions: string[] | null;
  /** held, withdrawn or unknown. */
  state: string;
  until: number | null;
  /** After a retraction: deleted, unindexed, kept, or null while it has not answered. */
  retraction: string | null;
}

export interface AnnouncedDetail extends Announced {
  renditions: AnnouncedRendition[];
  language: string | null;
  gateway_url: string;
  /** CID of the signed announcement, if its bytes are kept here. */
  announcement: string | null;
  /** Copies that the publisher wishes for. */
  wanted_copies: number;
  holders: Holder[];
}

export interface Policy {
  /** none, all, newest:N or budget:SIZE. */
  replicate: string;
  /** Names of renditions to keep; empty: all. */
  renditions: string[];
  /** newest, watched or rare. */
  strategy: string;
  /** Seconds that a replica is kept at least. */
  min_lifetime: number;
}

export interface Follow extends Policy {
  id: number;
  /** Nothing is fetched for now; what is here stays. */
  paused: boolean;
  /** What was asked for: a key, an address, a name or a URL. */
  target: string;
  publisher: string | null;
  /** Somebody else whom the target leads to now. */
  offered: string | null;
  name: string;
  /** resolved, resolving or failed. */
  state: string;
  error: string | null;
  next_try_at: number | null;
  created_at: number;
}

export interface Follower {
  peer: string;
  publisher: string | null;
  name: string;
  since: number;
}

export interface Block {
  kind: 'publisher' | 'peer';
  subject: string;
  name: string;
  reason: string;
  /** Who signed the list that it came from; null: this operator. */
  list: string | null;
  /** The operator lets it in although a list says so. */
  let_in: boolean;
  at: number;
}

export interface BlockListRow {
  /** Who signed it: a publisher has one list. */
  publisher: string;
  entries: number;
  at: number;
  error: string | null;
}

export interface Score {
  value: number;
  /** What the last changes were for. */
  why: string | null;
  revoked: boolean;
  blocked: boolean;
}

export interface Peer {
  id: string;
  agent: string | null;
  rtt_ms: number | null;
  connections: { address: string; direction: string; seconds: number }[];
  score: Score | null;
}

export interface Delivery {
  id: number;
  peer: string;
  what: string;
  attempts: number;
  next_try_at: number | null;
  error: string | null;
}

export interface Replica {
  publisher: string;
  publisher_name: string;
  asset: string;
  title: string;
  root: string;
  /** queued, pinning, pinned, error or unpinning. */
  state: string;
  done: number;
  bytes: number;
  blocks: number;
  /** Blocks that are known to belong to it, so far. */
  blocks_known: number;
  renditions: string[] | null;
  /** Why it is wanted: lifetime, frozen, wish, newest, watched or rare. */
  reason: string;
  error: string | null;
}

/** What the operator removed here. */
export interface Removed {
  publisher: string;
  asset: string;
  reason: string;
  at: number;
}

export interface Outgoing extends Holder {
  asset: string;
  title: string | null;
}

export interface Replicas {
  incoming: Replica[];
  /** Where the list of incoming ones goes on; null: it is whole. */
  next: number | null;
  outgoing: Outgoing[];
  /** The same of the outgoing ones. */
  outgoing_next: string | null;
}

export interface Replication {
  budget: number | null;
  used: number;
  paused: boolean;
  transfers: number;
  /** Bytes per second at most now, by the schedule; null: without a limit. */
  rate: number | null;
  fills: { publisher: string; name: string; bytes: number; assets: number }[];
}

const API = '/api/v1';
const part = encodeURIComponent;

export const ownPublisher = (signal?: AbortSignal) => call<OwnPublisher>('GET', `${API}/publisher`, { signal });
/** Vouches that nothing more was signed with this key than is here. */
export const confirmPublisher = () => call<OwnPublisher>('POST', `${API}/publisher/confirm`);
export const editProfile = (body: ProfilePatch) => call<OwnPublisher>('PUT', `${API}/publisher`, { body });

export const listFeeds = (signal?: AbortSignal) => call<Feeds>('GET', `${API}/feeds?limit=200`, { signal });
export const getFeed = (publisher: string, signal?: AbortSignal) =>
  call<FeedDetail>('GET', `${API}/feeds/${part(publisher)}`, { signal });

export function discover(
  query: { q?: string; publisher?: string; cursor?: string; limit?: number },
  signal?: AbortSignal,
) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, String(value));
  return call<AnnouncedPage>('GET', `${API}/discover?${parameters}`, { signal });
}
const announced = (publisher: string, id: string) => `${API}/discover/${part(publisher)}/${part(id)}`;
export const getAnnounced = (publisher: string, id: string, signal?: AbortSignal) =>
  call<AnnouncedDetail>('GET', announced(publisher, id), { signal });
export const removeHere = (publisher: string, id: string) => call<void>('DELETE', announced(publisher, id));

export const listFollows = (signal?: AbortSignal) => call<{ items: Follow[] }>('GET', `${API}/follows`, { signal });
export const follow = (body: { target: string } & Partial<Policy>) => call<Follow>('POST', `${API}/follows`, { body });
export const changeFollow = (id: number, body: Partial<Policy> & { paused?: boolean }) =>
  call<Follow>('PATCH', `${API}/follows/${id}`, { body });
export const unfollow = (id: number) => call<void>('DELETE', `${API}/follows/${id}`);
export const acceptOffered = (id: number) => call<Follow>('POST', `${API}/follows/${id}/accept`);
export const listFollowers = (signal?: AbortSignal) => call<{ items: Follower[] }>('GET', `${API}/followers`, { signal });
export const forgetFollower = (peer: string) => call<void>('DELETE', `${API}/followers/${part(peer)}`);

export const listBlocks = (signal?: AbortSignal) => call<{ items: Block[] }>('GET', `${API}/blocks`, { signal });
export const block = (body: { kind: string; subject: string; reason?: string }) =>
  call<void>('POST', `${API}/blocks`, { body });
export const unblock = (kind: string, subject: string) =>
  call<void>('DELETE', `${API}/blocks/${part(kind)}/${part(subject)}`);
export const listBlockLists = (signal?: AbortSignal) =>
  call<{ items: BlockListRow[] }>('GET', `${API}/blocklists`, { signal });
/** The signed bytes of this node's own list. */
export const exportBlockList = async () => (await send('GET', `${API}/blocklists/own`, { accept: '*/*' })).blob();
export const importBlockList = (bytes: ArrayBuffer) =>
  call<BlockListRow>('POST', `${API}/blocklists`, { raw: bytes });
export const dropBlockList = (publisher: string) => call<void>('DELETE', `${API}/blocklists/${part(publisher)}`);

export const listPeers = (signal?: AbortSignal) => call<{ items: Peer[] }>('GET', `${API}/peers`, { signal });
export const disconnectPeer = (id: string) => call<void>('DELETE', `${API}/peers/${part(id)}`);
export const publisherScore = (publisher: string, signal?: AbortSignal) =>
  call<Score>('GET', `${API}/feeds/${part(publisher)}/score`, { signal });
export const resetPublisherScore = (publisher: string) =>
  call<void>('POST', `${API}/feeds/${part(publisher)}/score/reset`);
export const resetScore = (id: string) => call<void>('POST', `${API}/peers/${part(id)}/score/reset`);
export const listDeliveries = (signal?: AbortSignal) =>
  call<{ items: Delivery[] }>('GET', `${API}/deliveries`, { signal });

export const retryDeliveries = () => call<void>('POST', `${API}/deliveries/retry`);
export const retryDelivery = (id: number) => call<void>('POST', `${API}/deliveries/${id}/retry`);
export const dropDelivery = (id: number) => call<void>('DELETE', `${API}/deliveries/${id}`);

export const listRemoved = (signal?: AbortSignal) => call<{ items: Removed[] }>('GET', `${API}/removed`, { signal });
export const allowRemoved = (publisher: string, id: string) =>
  call<void>('DELETE', `${API}/removed/${part(publisher)}/${part(id)}`);

/** So many pages of each list. */
export async function listReplicas(pages: { incoming: number; outgoing: number }, signal?: AbortSignal): Promise<Replicas> {
  const page = (place: Record<string, string>) =>
    call<Replicas>('GET', `${API}/replicas?${new URLSearchParams({ limit: '100', ...place })}`, { signal });
  const all = await page({});
  for (let read = 1; read < pages.incoming && all.next !== null; read++) {
    const { incoming, next } = await page({ after: String(all.next) });
    all.incoming.push(...incoming);
    all.next = next;
  }
  for (let read = 1; read < pages.outgoing && all.outgoing_next !== null; read++) {
    const { outgoing, outgoing_next } = await page({ outgoing_after: all.outgoing_next });
    all.outgoing.push(...outgoing);
    all.outgoing_next = outgoing_next;
  }
  return all;
}
export const retryReplicas = () => call<void>('POST', `${API}/replication/retry`);
export const dropReplica = (publisher: string, id: string) =>
  call<void>('DELETE', `${API}/replicas/${part(publisher)}/${part(id)}`);
export const retryReplica = (publisher: string, id: string) =>
  call<void>('POST', `${API}/replicas/${part(publisher)}/${part(id)}/retry`);
export const replication = (signal?: AbortSignal) => call<Replication>('GET', `${API}/replication`, { signal });
export const pauseReplication = () => call<Replication>('POST', `${API}/replication/pause`);
export const resumeReplication = () => call<Replication>('POST', `${API}/replication/resume`);
export const retractAsset = (id: string, reason: string) =>
  call<void>('POST', `${API}/assets/${part(id)}/retract`, { body: { reason } });
export const publishAsset = (id: string) => call<void>('POST', `${API}/assets/${part(id)}/publish`);
