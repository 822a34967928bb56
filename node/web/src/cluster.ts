/**
 * The part of the node's API about its cluster: one function per route, typed answers. Times are
 * milliseconds since 1970.
 */
import { call } from './api';

export type Role = 'writer' | 'follower';
export type MemberState = 'alive' | 'returning' | 'silent' | 'lost';
export type CopyState = 'queued' | 'pinning' | 'pinned' | 'error' | 'unpinning';
export const FILTERS = ['under-replicated', 'troubled', 'all'] as const;
export type Filter = (typeof FILTERS)[number];
/** Roots on a page of the pinset. */
export const PAGE = 50;
/** Milliseconds between two looks: copies move without events. */
export const EVERY = 5_000;

export interface Cluster {
  id: string;
  name: string;
  me: string;
  role: Role | 'removed';
  joined_at: number;
  members: number;
  alive: number;
  pins: number;
  under_replicated: number;
  without_copy: number;
  held: number;
  held_bytes: number;
  queued: number;
  running: number;
}

export interface Member {
  peer: string;
  name: string;
  role: Role;
  tags: Record<string, string>;
  weight: number;
  draining: boolean;
  is_me: boolean;
  state: MemberState;
  heard_at: number;
  capacity: number;
  free: number;
  pins: number;
  bytes: number;
  protocol: number;
  proved_bytes: number;
  proved_at: number | null;
  failures: number;
  is_forked: boolean;
}

export interface CopyAt {
  peer: string;
  state: CopyState;
  bytes: number;
  error: string | null;
  proved_bytes: number;
  proved_at: number | null;
}

export interface ClusterPin {
  cid: string;
  name: string | null;
  replicas_min: number | null;
  replicas_max: number | null;
  copies: number;
  needed: number;
  wanted: number;
  priority: number;
  expires: number | null;
  audience: string;
  spread: string | null;
  /** Multiaddresses of peers that have it. */
  origins: string[];
  meta: Record<string, string>;
  allocated: string[];
  members: CopyAt[];
  /** Services outside the cluster that keep it, and the members that say so. */
  elsewhere: { service: string; peer: string }[];
}

export interface MemberPatch {
  name?: string;
  role?: Role;
  tags?: Record<string, string>;
  weight?: number;
  draining?: boolean;
}

export interface ClusterEvent {
  id: number;
  at: number;
  kind: string;
  text: string;
}

const CLUSTER = '/api/v1/cluster';
const member = (peer: string) => `${CLUSTER}/members/${encodeURIComponent(peer)}`;

export const showCluster = (signal?: AbortSignal) => call<Cluster>('GET', CLUSTER, { signal });
export const foundCluster = (name: string) => call<Cluster>('POST', CLUSTER, { body: { name } });
export const joinCluster = (token: string, name: string) => call<Cluster>('POST', `${CLUSTER}/join`, { body: { token, name } });
export const leaveCluster = () => call<void>('DELETE', CLUSTER);
export const invite = (role: Role) => call<{ token: string; until: number }>('POST', `${CLUSTER}/tokens`, { body: { role } });
export const listMembers = (signal?: AbortSignal) => call<{ items: Member[] }>('GET', `${CLUSTER}/members`, { signal });
export const editMember = (peer: string, patch: MemberPatch) => call<Member>('PATCH', member(peer), { body: patch });
export const removeMember = (peer: string) => call<void>('DELETE', member(peer));
export const listPins = (filter: Filter, offset: number, signal?: AbortSignal) =>
  call<{ total: number; items: ClusterPin[] }>('GET', `${CLUSTER}/pins?filter=${filter}&offset=${offset}&limit=${PAGE}`, { signal });
export const unpinRoot = (cid: string) => call<void>('DELETE', `${CLUSTER}/pins/${encodeURIComponent(cid)}`);
/** Everything, unless a root is named. */
export const audit = (cid?: string) => call<{ challenges: number }>('POST', `${CLUSTER}/audit`, { body: cid === undefined ? {} : { cid } });
export const listEvents = (signal?: AbortSignal) => call<{ items: ClusterEvent[] }>('GET', `${CLUSTER}/events?limit=30`, { signal });
