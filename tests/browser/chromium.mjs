/** Chromium as the tests use it: the system's, headless, and watched for errors and foreign requests. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';

const ARTEFACTS = path.join(import.meta.dirname, 'artefacts');
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page for one test. `page.watch` knows what went wrong in it. */
export async function openPage(t, node, options = {}) {
  const executablePath = process.env.CHROMIUM_BIN ?? PLACES.find((place) => existsSync(place));
  assert.ok(executablePath, 'no Chromium found: install it (Debian: apt-get install chromium) or set CHROMIUM_BIN');
  const browser = await chromium.launch({ executablePath, args: QUIET });
  t.after(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  return { page, context, watch: watch(context, node) };
}

/** Collects console errors, uncaught errors, and requests that leave the node. */
function watch(context, node) {
  const own = new Set([new URL(node.api).host, new URL(node.gateway).host]);
  const statuses = new Set();
  const errors = [];
  const foreign = [];
  context.on('console', (message) => {
    if (message.type() !== 'error' || isNotYet(message, node)) return;
    errors.push(`${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => errors.push(String(error.error().stack)));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (!['blob:', 'data:'].includes(url.protocol) && !own.has(url.host)) foreign.push(request.url());
  });
  return {
    /** Chromium reports every status from 400 on as an error; this one is part of the test. */
    expectStatus: (status) => statuses.add(status),
    allow: (host) => own.add(host),
    check() {
      const expected = (text) => [...statuses].some((status) => text.includes(`with a status of ${status}`));
      assert.deepEqual(errors.filter((text) => !expected(text)), [], 'errors in the page');
      assert.deepEqual(foreign, [], 'requests to other hosts');
    },
  };
}

/** Chromium itself reports the gateway's "not playable yet" (503), which is no fault of the page. */
function isNotYet(message, node) {
  const { url } = message.location();
  return message.text().includes('503') && url.startsWith(`${node.gateway}/play/`);
}

export async function screenshot(page, name) {
  await mkdir(ARTEFACTS, { recursive: true });
  await page.screenshot({ path: path.join(ARTEFACTS, `${name}.png`) });
}

/** The state of the one video in the page, inside its custom element. */
export function video(page) {
  return page.evaluate(() => {
    const element = document.querySelector('hls-video');
    const native = element?.nativeEl;
    if (!native) return null;
    return {
      time: native.currentTime,
      duration: native.duration,
      height: native.videoHeight,
      paused: native.paused,
      ended: native.ended,
      error: native.error?.message ?? null,
      frames: native.getVideoPlaybackQuality().totalVideoFrames,
      level: element.api?.currentLevel ?? -1,
      audio: native.webkitAudioDecodedByteCount ?? null,
    };
  });
}

/** Waits until `holds` is true of the video's state; says what it was otherwise. */
export async function videoUntil(page, what, holds, limit = 60_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const state = await video(page);
    assert.equal(state?.error ?? null, null, 'the video element reports an error');
    if (state && holds(state)) return state;
    assert.ok(Date.now() < deadline, `${what}: still ${JSON.stringify(state)} after ${limit / 1000} s`);
    await page.waitForTimeout(50);
  }
}
