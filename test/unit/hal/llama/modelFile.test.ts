import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectModelFile } from '../../../../src/hal/llama/modelFile.js';
import { KernelError } from '../../../../src/shared/errors.js';
import { buildGguf, llamaMetadata, type GgufSpec } from './ggufBuilder.js';

const f16 = 1;
const spec: GgufSpec = {
  metadata: llamaMetadata,
  tensors: [{ name: 'w', shape: [1000, 1000], type: f16, offset: 0 }],
  dataBytes: 2_000_000,
};

suite('a model file', () => {
  let folder: string;
  setup(async () => {
    folder = await mkdtemp(join(tmpdir(), 'model-file-'));
  });
  teardown(() => rm(folder, { recursive: true }));

  async function save(name: string, bytes: Uint8Array | string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  }

  async function refusal(path: string): Promise<string> {
    const error = await inspectModelFile(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof KernelError && error.code === 'modelUnusable');
    assert.ok(error.message.includes(path), error.message);
    return error.message.replaceAll(path, 'PATH');
  }

  test('gives name, size and shape', async () => {
    const bytes = buildGguf(spec);
    const file = await inspectModelFile(await save('m.gguf', bytes));
    assert.deepEqual([file.name, file.bytes, file.shape.architecture], ['tiny', bytes.length, 'llama']);
  });

  test('is refused when it is missing, a folder or empty', async () => {
    assert.equal(await refusal(join(folder, 'none.gguf')), 'model file PATH does not exist');
    await mkdir(join(folder, 'dir.gguf'));
    assert.equal(await refusal(join(folder, 'dir.gguf')), 'model file PATH is a folder');
    assert.equal(await refusal(await save('empty.gguf', '')), 'model file PATH is empty');
    assert.equal(await refusal(join(await save('file', 'x'), 'm.gguf')), 'model file PATH does not exist');
  });

  test('is refused with its figures when it is truncated', async () => {
    const bytes = buildGguf(spec);
    assert.equal(
      await refusal(await save('cut.gguf', bytes.subarray(0, 1_300_000))),
      'PATH is truncated: 1.3 of 2.0 MB',
    );
    assert.match(
      await refusal(await save('nearly.gguf', bytes.subarray(0, bytes.length - 1))),
      /^PATH is truncated: 2\.0\d* of 2\.0\d* MB$/,
    );
    assert.equal(
      await refusal(await save('stub.gguf', bytes.subarray(0, 200))),
      'PATH is not a usable model: its header is damaged or cut off',
    );
  });

  test('is refused when it is something else', async () => {
    assert.equal(
      await refusal(await save('text.gguf', '<html>404</html>')),
      'PATH is not a usable model: it is not a GGUF file',
    );
    assert.equal(
      await refusal(
        await save('clip.gguf', buildGguf({ ...spec, metadata: { 'general.architecture': 'clip' } })),
      ),
      'PATH holds a clip model, which does not generate text',
    );
    assert.equal(
      await refusal(await save('vocab.gguf', buildGguf({ metadata: llamaMetadata }))),
      'PATH holds a vocabulary but no weights',
    );
  });

  test('counts all parts of a split model, and names the one that is missing', async () => {
    const bytes = buildGguf({ ...spec, metadata: { ...llamaMetadata, 'split.count': 2 } });
    const first = await save('m-00001-of-00002.gguf', bytes);
    await assert.rejects(inspectModelFile(first), /m-00002-of-00002\.gguf does not exist/);
    await save('m-00002-of-00002.gguf', buildGguf(spec));
    assert.equal((await inspectModelFile(first)).bytes, bytes.length + buildGguf(spec).length);
    assert.match(await refusal(await save('other.gguf', bytes)), /one of 2 parts/);
  });
});
