/**
 * One resumable upload (tus 1.0) and what the page shows of it. After a reload the
 * browser no longer has the file, only the address of the half-sent upload: such an
 * upload is `interrupted` until the same file is chosen again.
 */
import { DetailedError, Upload, defaultOptions, type PreviousUpload } from 'tus-js-client';
import { explain, problemFrom, UPLOADS, type Visibility } from './api';
import { SpeedMeter } from './speed';
import { token } from './token.svelte';

export type UploadPhase = 'waiting' | 'sending' | 'paused' | 'interrupted' | 'failed' | 'done';

/** Waits before each further try when the connection breaks, in milliseconds. */
const RETRIES = [0, 1_000, 3_000, 5_000, 10_000, 20_000];

export const uploadsEndpoint = () => new URL(UPLOADS, location.href).href;

let count = 0;

export class UploadItem {
  readonly key = `upload-${(count += 1)}`;
  readonly name: string;
  readonly bytes: number;
  phase = $state<UploadPhase>('waiting');
  sent = $state(0);
  /** Bytes per second. */
  speed = $state(0);
  message = $state('');
  assetId = $state<string | null>(null);
  #upload: Upload | null = null;
  #previous: PreviousUpload | null = null;
  #meter = new SpeedMeter();
  #settled: () => void;

  /** `settled` is called whenever the item stops sending. */
  private constructor(name: string, size: number, settled: () => void) {
    this.name = name;
    this.bytes = size;
    this.#settled = settled;
  }

  static fresh(file: File, visibility: Visibility, settled: () => void): UploadItem {
    const item = new UploadItem(file.name, file.size, settled);
    item.#prepare(file, { filename: file.name, filetype: file.type, visibility });
    return item;
  }

  static interrupted(previous: PreviousUpload, sent: number, settled: () => void): UploadItem {
    const item = new UploadItem(previous.metadata['filename'] ?? 'video', previous.size ?? 0, settled);
    item.#previous = previous;
    item.sent = sent;
    item.phase = 'interrupted';
    return item;
  }

  /** Whether this is the file that the upload was interrupted with. */
  accepts(file: File): boolean {
    return this.phase === 'interrupted' && file.name === this.name && file.size === this.bytes;
  }

  /** Goes on with the file chosen again. */
  continueWith(file: File): void {
    if (!this.#previous) return;
    if (!this.accepts(file)) {
      this.message = `That is another file. Choose ${this.name} as it was.`;
      return;
    }
    this.#prepare(file, this.#previous.metadata).resumeFromPreviousUpload(this.#previous);
    this.message = '';
    this.phase = 'waiting';
  }

  start(): void {
    this.phase = 'sending';
    this.message = '';
    this.#meter.reset();
    this.#upload?.start();
  }

  async pause(): Promise<void> {
    if (this.phase !== 'sending') return;
    this.phase = 'paused';
    this.speed = 0;
    await this.#upload?.abort();
    this.#settled();
  }

  /** Back in line after a pause or a failure. */
  queue(): void {
    this.phase = 'waiting';
    this.message = '';
  }

  /** Stops, and has the node throw away what it got. */
  async cancel(): Promise<void> {
    this.phase = 'paused';
    try {
      if (this.#upload) await this.#upload.abort(true);
      else if (this.#previous?.uploadUrl) await Upload.terminate(this.#previous.uploadUrl, { headers: token.headers() });
    } catch {
      // The node drops unfinished uploads by itself after a while.
    }
    await forget(this.#previous);
    this.#settled();
  }

  #prepare(file: File, metadata: Record<string, string>): Upload {
    this.#upload = new Upload(file, {
      endpoint: uploadsEndpoint(),
      retryDelays: RETRIES,
      removeFingerprintOnSuccess: true,
      metadata,
      onBeforeRequest: (request) => {
        for (const [name, value] of Object.entries(token.headers())) request.setHeader(name, value);
      },
      onProgress: (sent) => this.#progressed(sent),
      onSuccess: ({ lastResponse }) => this.#finished(lastResponse.getHeader('Cidcast-Asset')),
      onError: (error) => this.#stopped(error),
    });
    return this.#upload;
  }

  #progressed(sent: number): void {
    this.sent = sent;
    this.speed = this.#meter.add(sent, performance.now());
  }

  #finished(assetId: string | undefined): void {
    this.sent = this.bytes;
    this.speed = 0;
    this.assetId = assetId ?? null;
    this.phase = 'done';
    this.#settled();
  }

  #stopped(error: Error): void {
    this.phase = 'failed';
    this.speed = 0;
    this.message = sentence(error);
    this.#settled();
  }
}

/** Removes the browser's note of an unfinished upload. */
export async function forget(previous: PreviousUpload | null): Promise<void> {
  if (previous) await defaultOptions.urlStorage.removeUpload(previous.urlStorageKey);
}

function sentence(error: Error): string {
  const response = error instanceof DetailedError ? error.originalResponse : null;
  if (!response) return 'The connection to the node broke. Try again when it is reachable.';
  if (response.getStatus() === 401) token.refused();
  const { title, detail } = problemFrom(response.getStatus(), response.getBody());
  return detail ? `${title}: ${detail}` : title || explain(error);
}
