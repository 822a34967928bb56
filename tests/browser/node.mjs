/**
 * Starts the real binary on free ports of loopback with a data directory of its own,
 * and stops it. Nothing is shared between tests.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const HERE = import.meta.dirname;
const BINARY = path.resolve(process.env.CIDCAST_BIN ?? path.join(HERE, '../../target/debug/cidcast'));
const MEDIA = path.join(HERE, '../media');
const START = 60_000;
const STOP = 15_000;
/** Output kept for the message of a failed start. */
const TAIL = 8_000;

/** 5.3 s, 1280 × 720, H.264 and AAC. */
export const CLIP = path.join(MEDIA, 'bbb-5s-720p-aac.mp4');

/**
 * A running node for the length of one test: `api` and `gateway` are base URLs,
 * `dir` is for files of the test. `config` is its `config.yaml`.
 */
export async function startNode(t, { swarm = '/ip4/127.0.0.1/tcp/0', config = '' } = {}) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cidcast-browser-'));
  const data = path.join(dir, 'data');
  if (config !== '') {
    await mkdir(data);
    await writeFile(path.join(data, 'config.yaml'), config);
  }
  const options = ['--api-listen', '127.0.0.1:0', '--gateway-listen', '127.0.0.1:0', '--swarm-listen', swarm];
  const child = spawn(BINARY, ['serve', '--data-dir', data, ...options], {
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { text: '' };
  const keep = (chunk) => (said.text = (said.text + chunk).slice(-TAIL));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise((done) => {
    child.once('error', (error) => done(`cannot start ${BINARY}: ${error.message}`));
    child.once('exit', (code, signal) => done(`ended with ${signal ?? code}`));
  });
  t.after(async () => {
    await stop(child, ended);
    await rm(dir, { recursive: true, force: true });
  });
  const run = await Promise.race([running(data), ended.then((why) => new Error(why))]);
  if (run instanceof Error) throw new Error(`the node did not start: ${run.message}\n${said.text}`);
  return { api: `http://${run.api}`, gateway: `http://${run.gateway}`, dir, output: () => said.text };
}

/** Without `CIDCAST_…`: those variables are settings to the node, and unknown ones are refused. */
function plainEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CIDCAST_')));
}

/** What `run.json` says once the API answers. */
async function running(data) {
  const deadline = Date.now() + START;
  while (Date.now() < deadline) {
    try {
      const run = JSON.parse(await readFile(path.join(data, 'run.json'), 'utf8'));
      if ((await fetch(`http://${run.api}/readyz`)).ok) return run;
    } catch {
      // Not written or not listening yet.
    }
    await wait(50);
  }
  return new Error(`not ready after ${START / 1000} s`);
}

async function stop(child, ended) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const alarm = setTimeout(() => child.kill('SIGKILL'), STOP);
  await ended;
  clearTimeout(alarm);
}

/** One call of the JSON API; anything but success is an error with the body in it. */
export async function call(node, target, init) {
  const response = await fetch(node.api + target, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${init?.method ?? 'GET'} ${target}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** Waits until an asset is in one of `states`; a failure that was not asked for ends the wait. */
export async function settled(node, id, states = ['ready'], limit = 240_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const asset = await call(node, `/api/v1/assets/${id}`);
    if (states.includes(asset.state)) return asset;
    if (asset.state === 'failed') throw new Error(`asset failed: ${JSON.stringify(asset.error)}`);
    if (Date.now() > deadline) throw new Error(`asset is still ${asset.state} at ${asset.progress} %\n${node.output()}`);
    await wait(100);
  }
}

/** Uploads a file without the page and waits until it is ready. */
export async function uploaded(node, file, query = '') {
  const body = await readFile(file);
  const name = encodeURIComponent(path.basename(file));
  const asset = await call(node, `/api/v1/uploads/${name}${query}`, { method: 'PUT', body });
  return settled(node, asset.id);
}
