/** All uploads of this page: at most two send at once, and those cut off by a reload are offered again. */
import { defaultOptions, type PreviousUpload } from 'tus-js-client';
import type { Visibility } from './api';
import { token } from './token.svelte';
import { forget, UploadItem, uploadsEndpoint } from './upload.svelte';

/** More at once only makes each slower, and leaves fewer connections for the page. */
const AT_ONCE = 2;

class Uploads {
  items = $state<UploadItem[]>([]);
  /** What the next uploads are created with. */
  visibility = $state<Visibility>('private');
  #restored = false;

  /** A file that an interrupted upload waits for continues that one. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      const waiting = this.items.find((item) => item.accepts(file));
      if (waiting) waiting.continueWith(file);
      else this.items.unshift(UploadItem.fresh(file, this.visibility, this.#pump));
    }
    this.#pump();
  }

  continueWith(item: UploadItem, file: File): void {
    item.continueWith(file);
    this.#pump();
  }

  resume(item: UploadItem): void {
    item.queue();
    this.#pump();
  }

  async cancel(item: UploadItem): Promise<void> {
    this.dismiss(item);
    await item.cancel();
  }

  dismiss(item: UploadItem): void {
    this.items = this.items.filter((other) => other.key !== item.key);
  }

  /** Looks up, once per page, what an earlier page left half sent. */
  async restore(): Promise<void> {
    if (this.#restored) return;
    this.#restored = true;
    const mine = (previous: PreviousUpload) => previous.uploadUrl?.startsWith(uploadsEndpoint());
    for (const previous of (await defaultOptions.urlStorage.findAllUploads()).filter(mine)) {
      const sent = await offsetOf(previous);
      if (sent === 'gone') await forget(previous);
      else if (sent !== 'unknown') this.items.push(UploadItem.interrupted(previous, sent, this.#pump));
    }
  }

  #pump = (): void => {
    const sending = this.items.filter(({ phase }) => phase === 'sending').length;
    const waiting = this.items.filter(({ phase }) => phase === 'waiting').toReversed();
    for (const item of waiting.slice(0, Math.max(0, AT_ONCE - sending))) item.start();
  };
}

/** How much of an unfinished upload the node has. */
async function offsetOf({ uploadUrl }: PreviousUpload): Promise<number | 'gone' | 'unknown'> {
  if (!uploadUrl) return 'gone';
  try {
    const response = await fetch(uploadUrl, {
      method: 'HEAD',
      headers: { 'tus-resumable': '1.0.0', ...token.headers() },
    });
    if (response.status === 404 || response.status === 410) return 'gone';
    if (!response.ok) return 'unknown';
    // Complete: the asset exists, nothing is left to send.
    if (response.headers.has('Cidcast-Asset')) return 'gone';
    return Number(response.headers.get('Upload-Offset') ?? 0);
  } catch {
    return 'unknown';
  }
}

export const uploads = new Uploads();
