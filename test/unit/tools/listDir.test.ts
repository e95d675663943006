// list_dir: the names in one folder.
import assert from 'node:assert/strict';
import { ToolRunner, type Files, type Script } from './toolRunner.js';

suite('list_dir', () => {
  let tool: ToolRunner;
  suiteSetup(async () => (tool = await ToolRunner.start('list_dir')));
  suiteTeardown(() => tool.end());

  const list = (path: string, files: Files, script: Script = {}) => tool.call({ path }, { ...script, files });

  test('gives a name a line, and folders with a slash', async () => {
    const files = { 'b.ts': '', 'a/x.ts': '', '.gitignore': '', 'link@': '', 'größe.md': '' };
    assert.deepEqual(await list('.', files), { ok: true, text: '.gitignore\na/\nb.ts\ngröße.md\nlink' });
    assert.deepEqual(await list('a', files), { ok: true, text: 'x.ts' });
  });

  test('says when a folder is empty', async () => {
    assert.deepEqual(await list('.', {}), { ok: true, text: '(empty)' });
  });

  test('passes refusals and failures on', async () => {
    for (const reason of ['denied: no grant for fs.read', 'error: a does not exist']) {
      assert.deepEqual(await list('a', {}, { failures: { a: reason } }), { ok: false, text: reason });
    }
  });

  test('says how many names did not fit', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`file${index + 100}.ts`, '']),
    );
    const { text } = await list('.', files, { resultBytes: 100 });
    assert.ok(Buffer.byteLength(text) <= 100);
    assert.match(text, /^file100\.ts\nfile101\.ts\n[^]*\n\.\.\. 29\d more$/);
    assert.equal(text.split('\n').length - 1 + Number(/\d+(?= more)/.exec(text)), 300);
  });

  test('keeps a name with control characters in its line', async () => {
    assert.equal((await list('.', { 'a\nb\u001b.ts': '' })).text, 'a\uFFFDb\uFFFD.ts');
  });
});
