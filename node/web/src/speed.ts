/** Bytes per second over the last few seconds, so that the figure neither jumps nor lags. */

const WINDOW = 5_000;

export class SpeedMeter {
  #samples: { at: number; bytes: number }[] = [];

  /** `bytes` is the running total at time `at` (milliseconds). Returns bytes per second. */
  add(bytes: number, at: number): number {
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    if (!first || at <= first.at) return 0;
    return ((bytes - first.bytes) * 1000) / (at - first.at);
  }

  reset(): void {
    this.#samples = [];
  }
}
