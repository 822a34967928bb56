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

/** Returns the function that ends playback. `onFatal` is told a sentence for the viewer. */
export function attach(element: HlsVideoElement, src: string, onFatal: (reason: string) => void): () => void {
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

  return () => {
    over = true;
    clearTimeout(watching);
    element.removeAttribute('src');
  };
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 3_000;

/** Resolves when the playlist can be played; an asset whose first chunk is not done yet has none. */
export async function playable(src: string, signal: AbortSignal): Promise<void> {
  for (let wait = FIRST_WAIT; !signal.aborted; wait = Math.min(wait * 1.5, LONGEST_WAIT)) {
    try {
      const response = await fetch(src, { signal, cache: 'no-store' });
      if (response.ok) return;
    } catch {
      // Not reachable at the moment: the next round tells.
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}
