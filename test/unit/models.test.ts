// The model card is true: it names every model file with its size and its SHA-256.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const folder = new URL('../../../models/', import.meta.url);
const maxModelBytes = 25 * 1024 * 1024;

suite('the model card', () => {
  test('names every model file with its size and its SHA-256', async () => {
    const card = await readFile(new URL('README.md', folder), 'utf8');
    const files = (await readdir(fileURLToPath(folder))).filter((name) => name.endsWith('.gguf'));
    assert.ok(files.length > 0);
    for (const name of files) {
      const bytes = await readFile(new URL(name, folder));
      assert.ok(bytes.length <= maxModelBytes, `${name} has ${bytes.length} bytes`);
      assert.ok(card.includes(name), name);
      assert.ok(card.includes(bytes.length.toLocaleString('en-US')), `the size of ${name}`);
      assert.ok(card.includes(createHash('sha256').update(bytes).digest('hex')), `the SHA-256 of ${name}`);
    }
  });
});
