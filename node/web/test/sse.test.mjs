import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnerImport } from 'vite';

const { module: sse } = await runnerImport('./src/sse.ts');
const STREAM = ': hello\n\nevent: asset\ndata: {"id":"a"}\n\nevent: deleted\ndata: {"id":\ndata: "b"}\n\ndata: plain\r\n\r\n';
const EXPECTED = [
  { event: 'asset', data: '{"id":"a"}' },
  { event: 'deleted', data: '{"id":\n"b"}' },
  { event: 'message', data: 'plain' },
];

test('messages are found wherever the stream is cut', () => {
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    const parser = new sse.SseParser();
    assert.deepEqual([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))], EXPECTED, `cut at ${cut}`);
  }
});

test('a message without its empty line is held back', () => {
  assert.deepEqual(new sse.SseParser().push('event: asset\ndata: {}\n'), []);
});
