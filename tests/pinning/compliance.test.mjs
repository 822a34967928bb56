/**
 * The public compliance suite of the IPFS Pinning Service API against the real binary, offline.
 * It asks once a second, so it takes a minute or two.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { call, startNode } from '../browser/node.mjs';

const SUITE = path.join(import.meta.dirname, 'node_modules/@ipfs-shipyard/pinning-service-compliance');
const OFFLINE = path.join(import.meta.dirname, 'offline.mjs');
const TOKEN = 'for the suite only';
/** Of a suite that hangs. */
const LIMIT = 600_000;
/** The title with which each of the suite's nine checks begins. */
const CHECKS = [
  'Request with no authentication token',
  'Request with invalid token',
  'Pins post of CID',
  'Can create and then delete a new pin',
  'List pin objects (GET /pins) in all states',
  "Can create and replace a pin's CID",
  'Can create a pin with name=',
  'Pagination: Get all pins',
  'Can delete all pins created during compliance checks',
];

test('all nine checks of the compliance suite pass', async (t) => {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex');
  const config = `api:\n  tokens:\n    - { name: suite, sha256: ${sha256}, scopes: [write] }\n`;
  const node = await startNode(t, { config });
  const docs = path.join(SUITE, 'dist/docs');
  await rm(docs, { recursive: true, force: true });
  const said = await run(['--import', OFFLINE, path.join(SUITE, 'dist/src/index.js'), '-s', `${node.api}/psa`, TOKEN]);

  const host = new URL(node.api).hostname;
  const report = await readFile(path.join(docs, `${host}.md`), 'utf8');
  const totals = JSON.parse(await readFile(path.join(docs, `${host}.json`), 'utf8'));
  for (const title of CHECKS) {
    assert.ok(said.includes(title), `the suite does not say that it checked: ${title}\n${said}`);
    assert.ok(report.includes(title), `no report of: ${title}`);
  }
  const all = CHECKS.length;
  assert.deepEqual(totals, { total: all, passed: all, failed: 0, success: true }, report);

  // It has cleaned up behind itself, and so has the node.
  const headers = { authorization: `Bearer ${TOKEN}` };
  const left = await call(node, '/psa/pins?status=queued,pinning,pinned,failed', { headers });
  assert.equal(left.count, 0);
});

/** Runs node with these arguments; what it prints. A failure is an error. */
function run(args) {
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => (code === 0 ? done(said) : fail(new Error(`${signal ?? code}\n${said}`))));
  });
}
