/**
 * Services elsewhere that keep pins for this node, and what they keep: one function per route,
 * typed answers.
 */
import { call } from './api';

/** A service that the configuration names. */
export interface RemoteService {
  name: string;
  endpoint: string;
  /** psa, ipfs-cluster or s3. */
  kind: string;
  /** What is pinned there without anybody asking: none, public, shared or all. */
  assets: string;
  pinned: number;
  waiting: number;
  failed: number;
}

/** A pin at a service, or on its way there or away. */
export interface RemotePin {
  service: string;
  cid: string;
  name: string;
  /** The asset that it is for; null if somebody asked for it. */
  asset: string | null;
  state: string;
  error: string | null;
  /** When the service is asked next; null: not by itself. */
  next_at: number | null;
}

/** A peer of an IPFS Cluster. */
export interface ClusterPeer {
  id: string;
  name: string;
  version: string;
  /** Why it does not answer. */
  error: string | null;
}

const API = '/api/v1/remotes';
/** What the IPFS Cluster in place of the embedded engine is called among the services. */
const CLUSTER = 'cluster';

export const listServices = (signal?: AbortSignal) => call<{ items: RemoteService[] }>('GET', API, { signal });
export const listClusterPeers = (signal?: AbortSignal) => call<{ items: ClusterPeer[] }>('GET', `${API}/${CLUSTER}/peers`, { signal });
export const listRemotePins = (signal?: AbortSignal) => call<{ items: RemotePin[] }>('GET', `${API}/pins`, { signal });
export const remotePinsOf = (cid: string, signal?: AbortSignal) =>
  call<{ items: RemotePin[] }>('GET', `${API}/pins?cid=${encodeURIComponent(cid)}`, { signal });
/** Asks again now for what has failed. */
export const retryRemotePin = ({ service, cid }: RemotePin) =>
  call<RemotePin>('POST', `${API}/${encodeURIComponent(service)}/pins/${encodeURIComponent(cid)}/retry`);
