// edit_file: one text in place of another, and nothing else changed.
import assert from 'node:assert/strict';
import { ToolRunner, type Files, type Said, type Script } from './toolRunner.js';

suite('edit_file', () => {
  let tool: ToolRunner;
  suiteSetup(async () => (tool = await ToolRunner.start('edit_file')));
  suiteTeardown(() => tool.end());

  async function edit(
    content: string | Uint8Array,
    find: string,
    replace: string,
    script: Script = {},
  ): Promise<Said & { content: string | Buffer }> {
    const files: Files = { 'f.ts': content };
    const said = await tool.call({ path: 'f.ts', find, replace }, { ...script, files });
    const after = files['f.ts'];
    return { ...said, content: typeof after === 'string' ? after : Buffer.from(after!).toString() };
  }

  test('replaces every occurrence and counts them', async () => {
    assert.deepEqual(await edit('a-b a-b\na-b', 'a-b', 'c'), {
      ...{ ok: true, text: 'replaced 3 occurrences', content: 'c c\nc' },
    });
    assert.equal((await edit('x = 1;', 'x = 1', 'y')).text, 'replaced 1 occurrence');
  });

  test('replaces a name only where it is a whole word', async () => {
    const { text, content } = await edit(
      'count counter recount count2 $count _count count.x(count)',
      'count',
      'n',
    );
    assert.equal(text, 'replaced 3 occurrences');
    assert.equal(content, 'n counter recount count2 $count _count n.x(n)');
    assert.equal((await edit('größe größer', 'größe', 'n')).content, 'n größer');
    assert.equal((await edit('$x $xy', '$x', '$z')).content, '$z $xy');
  });

  test('replaces what is no name anywhere', async () => {
    assert.equal((await edit('aa.b caa.bd', 'aa.b', 'x')).content, 'x cxd');
  });

  test('does not look again at what it put in, and occurrences do not overlap', async () => {
    assert.equal((await edit('++++ +', '++', '+++')).content, '++++++ +');
    assert.equal((await edit('(a)', 'a', 'a, a')).content, '(a, a)');
  });

  test('deletes with an empty text', async () => {
    assert.equal((await edit('a; b;', ' b;', '')).content, 'a;');
    assert.equal((await edit('whole', 'whole', '')).content, '');
  });

  test('keeps everything else byte for byte', async () => {
    const { content } = await edit('\uFEFFa\r\n\tb \rc\n\u{1f600} b', 'b', 'x');
    assert.equal(content, '\uFEFFa\r\n\tx \rc\n\u{1f600} x');
  });

  test('writes line ends as the file has them', async () => {
    assert.equal((await edit('a\r\nb\r\nc\r\n', 'a\nb', 'x\ny\nz')).content, 'x\r\ny\r\nz\r\nc\r\n');
    assert.equal((await edit('a\r\nb\r\n', 'a\r\nb', 'x')).content, 'x\r\n');
    assert.equal((await edit('a\nb\n', 'a\nb', 'x\ny')).content, 'x\ny\n');
  });

  test('says what does not occur, in one line', async () => {
    assert.equal((await edit('counter', 'count', 'n')).text, 'error: `count` does not occur in f.ts');
    const { ok, text } = await edit('x', `two\nlines ${'é'.repeat(100)}`, 'n');
    assert.equal(ok, false);
    assert.equal(text, `error: \`two\uFFFDlines ${'é'.repeat(70)}…\` does not occur in f.ts`);
    assert.deepEqual(tool.calls, ['fs_read f.ts']);
  });

  test('refuses to find nothing, and to change nothing', async () => {
    assert.equal((await edit('a', '', 'b')).text, 'error: nothing to find');
    assert.equal((await edit('a', 'a', 'a')).text, 'error: find and replace are the same text');
    assert.deepEqual(tool.calls, []);
  });

  test('leaves what is no text alone', async () => {
    assert.equal((await edit('a\0', 'a', 'b')).text, 'error: f.ts is a binary file');
    assert.equal((await edit(Uint8Array.of(0x61, 0xff), 'a', 'b')).text, 'error: f.ts is not UTF-8 text');
  });

  test('passes refusals and failures on, of reading and of writing', async () => {
    const denial = 'denied: no grant for fs.write';
    assert.deepEqual(await edit('a', 'a', 'b', { failures: { 'f.ts': denial } }), {
      ...{ ok: false, text: denial, content: 'a' },
    });
    const said = await tool.call({ path: 'g.ts', find: 'a', replace: 'b' }, {});
    assert.deepEqual(said, { ok: false, text: 'error: g.ts does not exist' });
  });

  test('makes no file that no tool could read again', async () => {
    const { ok, text, content } = await edit('a '.repeat(1000), 'a', 'b'.repeat(2000));
    assert.deepEqual({ ok, text }, { ok: false, text: 'error: f.ts would become too large' });
    assert.equal(content, 'a '.repeat(1000));
  });

  test('replaces half a million occurrences at once', async () => {
    const { text, content } = await edit('a;'.repeat(500_000), 'a;', 'b,');
    assert.equal(text, 'replaced 500000 occurrences');
    assert.equal(content, 'b,'.repeat(500_000));
  });
});
