/**
 * Ties an `<hls-video>` element to a playlist of ours. While an asset is being
 * transcoded its playlists grow (EVENT) and hls.js takes them for a live stream;
 * the settings here make it start at the beginning and stay where the viewer is.
 */
import type HlsVideoElement from 'hls-video-element';
import Hls, { type ErrorData, type HlsConfig } from 'hls.js';

const CONFIG: Partial<HlsConfig> = {
  startPosition: 0,
  liveDurationInfinity: false,
  capLevelToPlayerSize: true,
  backBufferLength: 60,
  // The ES module build of hls.js has no worker; fMP4 needs no remuxing anyway.
  enableWorker: false,
};

/** Fatal decoder errors within one playback that are answered by a new decoder. */
const RECOVERIES = 3;

/** The part of `media-tracks` that its own types leave out of the element. */
export type HlsVideo = HlsVideoElement & { videoRenditions: EventTarget & { selectedIndex: number } };

/** Returns the function that ends playback. `onFatal` is told a sentence for the viewer. */
export function attach(element: HlsVideo, src: string, onFatal: (reason: string) => void): () => void {
  let over = false;
  let recoveries = 0;
  element.config = CONFIG;
  element.setAttribute('src', src);

  const onError = (_event: unknown, data: ErrorData) => {
    if (!data.fatal || over) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries < RECOVERIES) {
      recoveries += 1;
      element.api?.recoverMediaError();
      return;
    }
    onFatal(data.type === Hls.ErrorTypes.NETWORK_ERROR ? 'The stream could not be loaded.' : 'The stream cannot be decoded here.');
  };
  // The element makes its hls.js instance one microtask after `src` changes.
  const watching = setTimeout(() => element.api?.on(Hls.Events.ERROR, onError));

  // Who picks a quality wants to see it now; by itself the element plays out what is buffered,
  // which for a short clip is all of it.
  const onQuality = () => {
    const level = element.videoRenditions.selectedIndex;
    if (level >= 0 && element.api) element.api.currentLevel = level;
  };
  element.videoRenditions.addEventListener('change', onQuality);

  return () => {
    over = true;
    element.videoRenditions.removeEventListener('change', onQuality);
    clearTimeout(watching);
    element.removeAttribute('src');
  };
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 3_000;

/** What the gateway answers while an asset has no playable segment yet. */
const NOT_YET = 503;

/** Waits until the playlist can be played, or until the gateway says that it never will. */
export async function playable(src: string, signal: AbortSignal): Promise<'playable' | 'never'> {
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 1.5, LONGEST_WAIT)) {
    const status = await statusOf(src, signal);
    if (status >= 200 && status < 300) return 'playable';
    if (status >= 400 && status < 500) return 'never';
    if (status !== NOT_YET) console.debug('playlist: status', status);
    await new Promise((done) => setTimeout(done, wait));
  }
}

/** 0 when nothing answers; an abort is thrown on. */
async function statusOf(src: string, signal: AbortSignal): Promise<number> {
  try {
    return (await fetch(src, { signal, cache: 'no-store' })).status;
  } catch (error) {
    if (signal.aborted) throw error;
    return 0;
  }
}
