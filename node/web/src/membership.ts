/** What the states of members, pins and copies are called on the page, and what follows from them. */
import type { Cluster, ClusterPin, CopyState, Member, MemberState } from './cluster';
import { ago, bytes } from './format';
import { shortKey } from './standing';
import type { Tone } from './states';

export const MEMBER: Record<MemberState, { word: string; tone: Tone; meaning: string }> = {
  alive: { word: 'Alive', tone: 'good', meaning: 'Heard of within the deadline' },
  returning: { word: 'Returning', tone: 'busy', meaning: 'Back after an absence: its copies count, and it gets nothing new yet' },
  silent: { word: 'Silent', tone: 'idle', meaning: 'Not heard of lately; its copies are not made anew yet' },
  lost: { word: 'Lost', tone: 'bad', meaning: 'Silent for too long: its copies are made anew elsewhere' },
};

/** In the order of the legend: what is well first. */
export const COPY: Record<CopyState | 'none', { word: string; meaning: string }> = {
  pinned: { word: 'kept', meaning: 'All of it is on the disk of this member' },
  pinning: { word: 'on its way', meaning: 'Its blocks are being fetched' },
  queued: { word: 'waits', meaning: 'This member is to keep it and has not begun' },
  error: { word: 'error', meaning: 'The last attempt failed; another one follows' },
  unpinning: { word: 'going', meaning: 'It is not needed here any longer' },
  none: { word: 'not there', meaning: 'This member is not to keep it' },
};

/** What a member is called: its name, or the ends of its key. */
export const callMember = ({ name, peer }: Pick<Member, 'name' | 'peer'>) => name || shortKey(peer);

/** Peer ids as they are written in sentences: the identity of an Ed25519 key in base 58. */
const PEER = /\b12D3KooW[1-9A-HJ-NP-Za-km-z]{44}\b/g;

/** A sentence with members by name instead of by key, and short keys for those that are gone. */
export const naming = (text: string, members: Pick<Member, 'name' | 'peer'>[]) =>
  text.replace(PEER, (peer) => callMember(members.find((member) => member.peer === peer) ?? { name: '', peer }));

/** Where a root stands at a member. */
export function copyAt(pin: Pick<ClusterPin, 'members'>, peer: string): CopyState | 'none' {
  return pin.members.find((copy) => copy.peer === peer)?.state ?? 'none';
}

/** How the cluster is, in one sentence. */
export function healthOf({ members, alive, pins, under_replicated, without_copy }: Cluster): { words: string; tone: Tone } {
  const titles = `${pins} ${pins === 1 ? 'pin' : 'pins'}`;
  if (without_copy > 0) return { words: `${titles}: ${without_copy} without any copy`, tone: 'bad' };
  if (under_replicated > 0) return { words: `${titles}: ${under_replicated} with too few copies`, tone: 'busy' };
  if (alive < members) return { words: `${titles}, all with enough copies; ${members - alive} of ${members} members away`, tone: 'idle' };
  return { words: `${titles}, all with enough copies`, tone: 'good' };
}

/** The figures behind that sentence, the cluster's first and then this node's. */
export function figuresOf({ members, alive, pins, under_replicated, without_copy, running, queued }: Cluster): Figure[] {
  return [
    { word: 'Members that count', value: `${alive} of ${members}`, tone: alive < members ? 'busy' : 'idle' },
    { word: 'Pins', value: String(pins), tone: 'idle' },
    { word: 'With too few copies', value: String(under_replicated), tone: under_replicated > 0 ? 'busy' : 'idle' },
    { word: 'Without a copy', value: String(without_copy), tone: without_copy > 0 ? 'bad' : 'idle' },
    { word: 'On the way here', value: String(running), tone: 'idle' },
    { word: 'Waiting here', value: String(queued), tone: 'idle' },
  ];
}

export interface Figure {
  word: string;
  value: string;
  tone: Tone;
}

/** What a member, or a copy at one, has shown to be there: `450 kB proved, 2m ago`. */
export function proved(of: { proved_bytes: number; proved_at: number | null }, now: number = Date.now()): string {
  return of.proved_at === null ? 'nothing proved yet' : `${bytes(of.proved_bytes)} proved, ${ago(of.proved_at, now)}`;
}

/** How many copies were asked for: `1 to 3 copies`, `a copy at every member`. */
export function askedFor({ replicas_min: min, replicas_max: max }: Pick<ClusterPin, 'replicas_min' | 'replicas_max'>): string {
  if (min === null || max === null) return 'a copy at every member';
  return min === max ? `${min} ${min === 1 ? 'copy' : 'copies'}` : `${min} to ${max} copies`;
}

/** Where the last page begins; a reader beyond it sees nothing. */
export function lastPage(total: number, size: number): number {
  return total === 0 ? 0 : Math.floor((total - 1) / size) * size;
}

/** How full a member is, as a percentage of what it offers. */
export function fullness({ capacity, free }: Pick<Member, 'capacity' | 'free'>): number {
  if (capacity <= 0) return 0;
  return Math.round((100 * Math.max(0, capacity - free)) / capacity);
}

/** `site=attic, disk=ssd` as tags, and what cannot be read of it. */
export function tagsOf(text: string): { tags: Record<string, string>; wrong: string[] } {
  const tags: Record<string, string> = {};
  const wrong: string[] = [];
  for (const part of text.split(',').map((one) => one.trim()).filter((one) => one !== '')) {
    const [key = '', ...value] = part.split('=').map((one) => one.trim());
    if (key === '' || value.join('=') === '') wrong.push(part);
    else tags[key] = value.join('=');
  }
  return { tags, wrong };
}

export const tagText = (tags: Record<string, string>) =>
  Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
