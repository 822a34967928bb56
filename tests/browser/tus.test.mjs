import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Upload } from 'tus-js-client';
import { CLIP, settled, startNode } from './node.mjs';

const TUS = { 'tus-resumable': '1.0.0' };
const PATCH = { ...TUS, 'content-type': 'application/offset+octet-stream' };
const CHUNK = 256 << 10;
const METADATA = { filename: 'rabbit.mp4', title: 'Rabbit', tags: 'a,b', visibility: 'unlisted' };

test('tus-js-client uploads in parts, stops, and another client finishes', async (t) => {
  const node = await startNode(t);
  const clip = await readFile(CLIP);
  const url = await firstParts(node, clip);
  const status = await fetch(url, { method: 'HEAD', headers: TUS });
  assert.equal(status.status, 200);
  assert.equal(status.headers.get('cache-control'), 'no-store');
  assert.equal(Number(status.headers.get('upload-length')), clip.length);
  assert.ok(Number(status.headers.get('upload-offset')) >= 2 * CHUNK);
  assert.equal(status.headers.get('cidcast-asset'), null);

  const last = await send(clip, { uploadUrl: url, chunkSize: CHUNK });
  const id = last.getHeader('Cidcast-Asset');
  assert.ok(id, 'the answer to the last part names the asset');
  const finished = await fetch(url, { method: 'HEAD', headers: TUS });
  assert.equal(finished.headers.get('cidcast-asset'), id);

  const asset = await settled(node, id);
  assert.equal(asset.title, METADATA.title);
  assert.deepEqual(asset.tags, ['a', 'b']);
  assert.equal(asset.visibility, METADATA.visibility);
  assert.equal(asset.source.name, METADATA.filename);
  assert.equal(asset.source.bytes, clip.length);
});

test('data in the creating request counts', async (t) => {
  const node = await startNode(t);
  const clip = await readFile(CLIP);
  const last = await send(clip, {
    endpoint: `${node.api}/api/v1/uploads`,
    metadata: METADATA,
    uploadDataDuringCreation: true,
  });
  assert.equal((await settled(node, last.getHeader('Cidcast-Asset'))).source.bytes, clip.length);
});

test('a terminated upload is gone', async (t) => {
  const node = await startNode(t);
  const url = await firstParts(node, await readFile(CLIP));
  await Upload.terminate(url);
  const status = await fetch(url, { method: 'HEAD', headers: TUS });
  assert.ok([404, 410].includes(status.status), `status ${status.status}`);
});

test('the server says what it can', async (t) => {
  const node = await startNode(t);
  const answer = await fetch(`${node.api}/api/v1/uploads`, { method: 'OPTIONS' });
  assert.ok(answer.ok, `status ${answer.status}`);
  assert.equal(answer.headers.get('tus-version'), '1.0.0');
  const extensions = answer.headers.get('tus-extension').split(',');
  for (const name of ['creation', 'creation-with-upload', 'checksum', 'expiration', 'termination']) {
    assert.ok(extensions.includes(name), `${name} is announced`);
  }
  assert.ok(answer.headers.get('tus-checksum-algorithm').split(',').includes('sha1'));
  assert.ok(Number(answer.headers.get('tus-max-size')) > 0);
});

test('parts with a wrong checksum, offset, type or version change nothing', async (t) => {
  const node = await startNode(t);
  const clip = await readFile(CLIP);
  const url = await created(node, clip.length);
  const part = clip.subarray(0, CHUNK);
  const patch = (headers, offset = 0) =>
    fetch(url, { method: 'PATCH', body: part, headers: { ...PATCH, 'upload-offset': String(offset), ...headers } });
  const sha1 = (data) => `sha1 ${createHash('sha1').update(data).digest('base64')}`;

  assert.equal((await patch({ 'upload-checksum': sha1('other') })).status, 460);
  assert.equal((await patch({ 'upload-checksum': 'crc99 AAAA' })).status, 400);
  assert.equal((await patch({}, 17)).status, 409);
  assert.equal((await patch({ 'content-type': 'text/plain' })).status, 415);
  const version = await patch({ 'tus-resumable': '0.2.2' });
  assert.equal(version.status, 412);
  assert.equal(version.headers.get('tus-version'), '1.0.0');
  assert.equal(await offset(url), 0);

  const accepted = await patch({ 'upload-checksum': sha1(part) });
  assert.equal(accepted.status, 204);
  assert.equal(accepted.headers.get('upload-offset'), String(CHUNK));
  assert.ok(Date.parse(accepted.headers.get('upload-expires')) > Date.now(), 'an unfinished upload expires later');
});

test('two requests cannot write to one upload at once', async (t) => {
  const node = await startNode(t);
  const clip = await readFile(CLIP);
  const url = await created(node, clip.length);
  const bodies = [clip, clip].map((body) => fetch(url, { method: 'PATCH', body, headers: { ...PATCH, 'upload-offset': '0' } }));
  const statuses = (await Promise.all(bodies)).map(({ status }) => status).sort();
  assert.equal(statuses[0], 204, `statuses ${statuses}`);
  assert.ok([404, 409, 410, 423].includes(statuses[1]), `statuses ${statuses}`);
});

/** Sends two parts or more, then stops as a closed laptop would. Returns the upload's address. */
function firstParts(node, clip) {
  return new Promise((resolve, reject) => {
    let parts = 0;
    const upload = new Upload(clip, {
      endpoint: `${node.api}/api/v1/uploads`,
      metadata: METADATA,
      chunkSize: CHUNK,
      retryDelays: null,
      onError: reject,
      onChunkComplete: () => {
        parts += 1;
        if (parts === 2) upload.abort().then(() => resolve(upload.url), reject);
      },
    });
    upload.start();
  });
}

/** Sends everything that is missing. Returns the last answer. */
function send(clip, options) {
  return new Promise((resolve, reject) => {
    const done = { onError: reject, onSuccess: ({ lastResponse }) => resolve(lastResponse) };
    new Upload(clip, { retryDelays: null, ...options, ...done }).start();
  });
}

async function created(node, length) {
  const headers = { ...TUS, 'upload-length': String(length), 'upload-metadata': `filename ${btoa('rabbit.mp4')}` };
  const answer = await fetch(`${node.api}/api/v1/uploads`, { method: 'POST', headers });
  assert.equal(answer.status, 201);
  return new URL(answer.headers.get('location'), node.api).href;
}

async function offset(url) {
  return Number((await fetch(url, { method: 'HEAD', headers: TUS })).headers.get('upload-offset'));
}
