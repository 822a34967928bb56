/** What the states of feeds, replicas and copies are called on the page, and how they look. */
import type { Announced, Feed, FeedState, OwnState } from './network';
import type { Tone } from './states';

interface Shown {
  word: string;
  tone: Tone;
  meaning: string;
}

export const FEED: Record<FeedState, Shown> = {
  current: { word: 'Up to date', tone: 'good', meaning: 'Every announcement that is known is here' },
  behind: { word: 'Catching up', tone: 'busy', meaning: 'Announcements are missing here and are asked for' },
  error: { word: 'Error', tone: 'bad', meaning: 'The last attempt failed; another one follows' },
  forked: { word: 'Forked', tone: 'bad', meaning: 'Two announcements contradict each other: the key was cloned, or its owner is dishonest' },
  revoked: { word: 'Revoked', tone: 'bad', meaning: 'Its score fell to 0' },
  blocked: { word: 'Blocked', tone: 'bad', meaning: 'Nothing of it is taken' },
  unknown: { word: 'Not heard of yet', tone: 'idle', meaning: 'No announcement has been found so far' },
};

export const OWN: Record<OwnState, Shown> = {
  off: { word: 'Off', tone: 'idle', meaning: 'discovery.mode is off: nothing is announced' },
  empty: { word: 'Nothing announced', tone: 'idle', meaning: 'Make a video public, and it is announced' },
  ready: { word: 'Announcing', tone: 'good', meaning: 'What becomes public is announced' },
  'catching-up': { word: 'Catching up', tone: 'busy', meaning: 'Learning its own latest number before it signs' },
  waiting: { word: 'Waiting', tone: 'idle', meaning: 'It may be behind its own feed, so it does not sign' },
  forked: { word: 'Forked', tone: 'bad', meaning: 'The same key signs elsewhere too' },
};

export const HERE: Record<Announced['here'], Shown | null> = {
  own: { word: 'Yours', tone: 'good', meaning: 'Announced by this node' },
  whole: { word: 'Replica here', tone: 'good', meaning: 'All of it is on this node, verified' },
  part: { word: 'Part here', tone: 'good', meaning: 'The chosen renditions are on this node, verified' },
  coming: { word: 'Coming', tone: 'busy', meaning: 'It is being replicated' },
  none: null,
};

export const REPLICA: Record<string, Shown> = {
  queued: { word: 'Queued', tone: 'idle', meaning: 'Waits for its turn' },
  pinning: { word: 'Fetching', tone: 'busy', meaning: 'Its blocks are on the way' },
  pinned: { word: 'Held', tone: 'good', meaning: 'Every block is on disk and verified' },
  error: { word: 'Error', tone: 'bad', meaning: 'The last attempt failed; another one follows' },
  unpinning: { word: 'Leaving', tone: 'idle', meaning: 'Makes room for something else' },
};

/** Where a pin at a service elsewhere stands. */
export const REMOTE: Record<string, Shown> = {
  queued: { word: 'Queued', tone: 'idle', meaning: 'The service is asked soon' },
  pinning: { word: 'On its way', tone: 'busy', meaning: 'The service fetches its blocks' },
  pinned: { word: 'Kept there', tone: 'good', meaning: 'The service says that it has every block' },
  error: { word: 'Error', tone: 'bad', meaning: 'The last attempt failed' },
  unpinning: { word: 'Leaving', tone: 'idle', meaning: 'The service is told to let go of it' },
};

/** `12 of 14`, or `14`. */
export function progressOfFeed({ have, latest }: Pick<Feed, 'have' | 'latest'>): string {
  return latest <= have ? String(have) : `${have} of ${latest}`;
}

/** Why something is copied. */
export const REASONS: Record<string, string> = {
  lifetime: 'kept for its least time',
  frozen: 'kept from a refused publisher',
  wish: 'its publisher wishes for more copies',
  newest: 'among the newest',
  watched: 'watched most here',
  rare: 'few other copies',
};

/** The shortest text that still tells two keys apart. */
export const shortKey = (key: string) => (key.length <= 16 ? key : `${key.slice(0, 6)}…${key.slice(-6)}`);

/** A publisher's own name, or its key. */
export const nameOf = (name: string | null | undefined, key: string) => (name ? name : shortKey(key));

/** `everything`, `the newest 10`, `up to 50GiB`, `nothing`. */
export function policyWords(replicate: string): string {
  const [kind, value] = replicate.split(':');
  if (kind === 'newest') return `the newest ${value}`;
  if (kind === 'budget') return `up to ${value}`;
  return kind === 'all' ? 'everything' : 'nothing';
}
