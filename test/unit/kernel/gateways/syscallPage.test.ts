// The reference page says what the table says: no call without its section, and no section without its call.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { externalCalls } from '../../../../src/kernel/gateways/externalCalls.js';
import { syscallPage } from '../../../support/syscallPage.js';

const path = fileURLToPath(new URL('../../../../../docs/syscalls.md', import.meta.url));

suite('reference page of the calls', () => {
  test('has a section for each call, in the order of the table', () => {
    const sections = [...readFileSync(path, 'utf8').matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(
      sections,
      externalCalls.map(({ name }) => name),
    );
  });

  test('is what the table makes: node scripts/syscallPage.mjs writes it', async () => {
    const options = await resolveConfig(path);
    const page = await format(syscallPage(externalCalls), { ...options, parser: 'markdown' });
    assert.equal(readFileSync(path, 'utf8'), page);
  });

  test('every call names its group, says what it needs and describes its fields in words', () => {
    const groups = ['agent', 'llm', 'context', 'tool', 'kv', 'grant', 'kernel'];
    assert.equal(new Set(externalCalls.map(({ name }) => name)).size, externalCalls.length);
    for (const { name, description, needs } of externalCalls) {
      assert.ok(groups.includes(name.split('.', 1)[0] ?? ''), name);
      assert.match(description, /\.$/, name);
      assert.match(needs, /\.$/, name);
    }
  });
});
