/** What the states of members, pins and copies are called on the page, and what follows from them. */
import type { Cluster, ClusterPin, CopyState, Member, MemberState } from './cluster';
import { shortKey } from './standing';
import type { Tone } from './states';

export const MEMBER: Record<MemberState, { word: string; tone: Tone; meaning: string }> = {
  alive: { word: 'Alive', tone: 'good', meaning: 'Heard of within the deadline' },
  returning: { word: 'Returning', tone: 'busy', meaning: 'Back after an absence: its copies count, and it gets nothing new yet' },
  silent: { word: 'Silent', tone: 'idle', meaning: 'Not heard of lately; its copies are not made anew yet' },
  lost: { word: 'Lost', tone: 'bad', meaning: 'Silent for too long: its copies are made anew elsewhere' },
};

export const COPY: Record<CopyState | 'none', { word: string; tone: Tone }> = {
  pinned: { word: 'kept', tone: 'good' },
  pinning: { word: 'on its way', tone: 'busy' },
  queued: { word: 'waits', tone: 'busy' },
  error: { word: 'error', tone: 'bad' },
  unpinning: { word: 'going', tone: 'idle' },
  none: { word: 'not there', tone: 'idle' },
};

/** What a member is called: its name, or the ends of its key. */
export const callMember = ({ name, peer }: Pick<Member, 'name' | 'peer'>) => name || shortKey(peer);

/** A sentence with members by name instead of by key. */
export const naming = (text: string, members: Pick<Member, 'name' | 'peer'>[]) =>
  members.reduce((said, member) => said.replaceAll(member.peer, callMember(member)), text);

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
