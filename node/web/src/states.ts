/** What states and visibilities are called on the page, and how they look. */
import type { Asset, AssetState, Visibility } from './api';

export const STATE_WORDS: Record<AssetState, string> = {
  queued: 'Queued',
  probing: 'Reading',
  transcoding: 'Transcoding',
  packaging: 'Packaging',
  pinning: 'Pinning',
  ready: 'Ready',
  failed: 'Failed',
};

export type Tone = 'good' | 'busy' | 'idle' | 'bad';

export function toneOf(state: AssetState): Tone {
  if (state === 'ready') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'queued' ? 'idle' : 'busy';
}

export const isSettled = (state: AssetState) => state === 'ready' || state === 'failed';

export const VISIBILITY: Record<Visibility, { word: string; meaning: string; icon: 'lock' | 'link' | 'globe' }> = {
  private: { word: 'Private', meaning: 'Only this node and requests with a token', icon: 'lock' },
  unlisted: { word: 'Unlisted', meaning: 'Anyone who knows the CID', icon: 'link' },
  public: { word: 'Public', meaning: 'Anyone, and announced', icon: 'globe' },
};

/** The bar's value while an asset is being worked on: percent, or null where no end is known. */
export function progressOf({ state, progress }: Asset): number | null {
  return state === 'transcoding' ? progress : state === 'packaging' || state === 'pinning' ? 100 : null;
}

/** One line about the work: `Transcoding 42 % · 1.8×`. */
export function workLine({ state, progress, speed }: Asset): string {
  if (state !== 'transcoding') return STATE_WORDS[state];
  const pace = speed ? ` · ${speed.toFixed(1)}×` : '';
  return `${STATE_WORDS[state]} ${Math.floor(progress)} %${pace}`;
}
