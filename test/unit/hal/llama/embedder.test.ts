import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmbedder } from '../../../../src/hal/llama/embedder.js';
import { KernelError } from '../../../../src/shared/errors.js';

suite('opening an embedder', () => {
  test('refuses a file that is no model, by its path and before there is an engine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'embedder-'));
    try {
      const path = join(folder, 'words.gguf');
      await writeFile(path, 'no model');
      const said: string[] = [];
      await assert.rejects(
        createEmbedder(path, { threads: 1, log: (_level, message) => said.push(message) }),
        (error: unknown) =>
          error instanceof KernelError && error.code === 'modelUnusable' && error.message.includes(path),
      );
      assert.deepEqual(said, []);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
