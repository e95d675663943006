// read_file: numbered lines, all of them or those that say most, or a range.
import assert from 'node:assert/strict';
import { ToolRunner, type Script } from './toolRunner.js';

suite('read_file', () => {
  let tool: ToolRunner;
  suiteSetup(async () => (tool = await ToolRunner.start('read_file')));
  suiteTeardown(() => tool.end());

  const read = (content: string | Uint8Array, script: Script & { range?: string } = {}) =>
    tool.call({ path: `f.ts${script.range ?? ''}` }, { ...script, files: { 'f.ts': content } });

  const lines = async (content: string, script: Script & { range?: string } = {}): Promise<string[]> => {
    const { ok, text } = await read(content, script);
    assert.equal(ok, true, text);
    assert.ok(Buffer.byteLength(text) <= (script.resultBytes ?? 4096), `${text.length} bytes`);
    return text.split('\n');
  };

  test('numbers the lines and keeps them as they are', async () => {
    assert.deepEqual(await lines('a\n\n\tb  \n'), ['1: a', '2: ', '3: \tb  ']);
  });

  test('takes a last line without an end, and CRLF', async () => {
    assert.deepEqual(await lines('a\r\nb\rc\r\nd'), ['1: a', '2: b\rc', '3: d']);
    assert.deepEqual(await lines('\r\n\r\n'), ['1: ', '2: ']);
    assert.deepEqual(await lines('\n'), ['1: ']);
  });

  test('says that a file is empty', async () => {
    assert.deepEqual(await read(''), { ok: true, text: '(empty file)' });
    assert.deepEqual(await read('\uFEFF'), { ok: true, text: '(empty file)' });
  });

  test('leaves a byte order mark out', async () => {
    assert.deepEqual(await lines('\uFEFFa\n'), ['1: a']);
  });

  test('cuts a line at 160 characters, and says so', async () => {
    assert.deepEqual(await lines(`${'é'.repeat(161)}\n${'x'.repeat(160)}`), [
      `1: ${'é'.repeat(160)}…`,
      `2: ${'x'.repeat(160)}`,
    ]);
  });

  test('passes refusals and failures on', async () => {
    assert.deepEqual(await tool.call({ path: 'g.ts' }, {}), {
      ok: false,
      text: 'error: g.ts does not exist',
    });
    const denial = 'denied: no grant for fs.read\nask me later';
    const failures = { 'f.ts': denial };
    assert.deepEqual(await read('a', { failures }), { ok: false, text: denial });
  });

  test('refuses what holds a NUL', async () => {
    assert.deepEqual(await read('a\0b'), { ok: false, text: 'error: f.ts is a binary file' });
  });

  for (const [name, bytes] of Object.entries({
    'a lone continuation': [0x80],
    'an overlong slash': [0xc0, 0xaf],
    'an overlong slash of three bytes': [0xe0, 0x80, 0xaf],
    'an overlong slash of four bytes': [0xf0, 0x80, 0x80, 0xaf],
    'a surrogate': [0xed, 0xa0, 0x80],
    'a character beyond the last': [0xf4, 0x90, 0x80, 0x80],
    'a byte that never occurs': [0xf5, 0x80, 0x80, 0x80],
    'a cut character': [0xe2, 0x82],
    'Latin-1': [0x67, 0x72, 0xf6, 0xdf, 0x65],
  })) {
    test(`refuses ${name}`, async () => {
      const { ok, text } = await read(Uint8Array.from([...Buffer.from('0123456789'), ...bytes]));
      assert.deepEqual({ ok, text }, { ok: false, text: 'error: f.ts is not UTF-8 text' });
    });
  }

  test('takes every kind of character', async () => {
    const text = 'aé\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}';
    assert.deepEqual(await lines(text), [`1: ${text}`]);
  });

  suite('a range', () => {
    const ten = Array.from({ length: 10 }, (_, index) => `line ${index + 1}\n`).join('');

    test('is given by two numbers or by one', async () => {
      assert.deepEqual(await lines(ten, { range: ':3-5' }), ['3: line 3', '4: line 4', '5: line 5']);
      assert.deepEqual(await lines(ten, { range: ':7' }), ['7: line 7']);
      assert.deepEqual(tool.calls, ['fs_read f.ts']);
    });

    test('ends with the file and begins with its first line', async () => {
      assert.deepEqual(await lines(ten, { range: ':9-99999999999' }), ['9: line 9', '10: line 10']);
      assert.deepEqual(await lines(ten, { range: ':0-1' }), ['1: line 1']);
    });

    test('is refused when it is none', async () => {
      assert.equal((await read(ten, { range: ':5-3' })).text, 'error: 5-3 is not a range of lines');
      assert.equal((await read(ten, { range: ':11' })).text, 'error: f.ts has only 10 lines');
      assert.equal((await read('a', { range: ':2' })).text, 'error: f.ts has only 1 line');
    });

    test('that does not fit says how to go on', async () => {
      const shown = await lines(ten, { range: ':2-9', resultBytes: 78 });
      assert.deepEqual(shown, [
        ...['2: line 2', '3: line 3'],
        '... 2 of 8 lines shown; read f.ts:4-9 for the rest',
      ]);
    });

    test('that fits exactly is whole', async () => {
      const text = '2: line 2\n3: line 3';
      assert.equal((await read(ten, { range: ':2-3', resultBytes: text.length })).text, text);
    });

    for (const path of ['a:b', 'a:', ':5', 'a-5', 'a5', 'a:5-', 'a:-5', '1-2', '12', 'a:x-5']) {
      test(`is not meant by ${path}`, async () => {
        assert.equal((await tool.call({ path }, { files: { [path]: 'x' } })).text, '1: x');
      });
    }
  });

  suite('a file that does not fit', () => {
    const filler = '    doSomething(with, several, values);\n'.repeat(10);

    test('is told by its marks, exports and declarations, under their own numbers', async () => {
      const content = [
        "import { x } from './x.js';",
        'const limit = 5;',
        filler + 'export function first(): void {',
        filler + '  // TODO: round half to even',
        filler + 'class Inner {',
        filler + 'export {',
        '  limit,',
        '  other as another,',
        '};',
        filler + '// FIXME broken',
        filler + 'const TODOS = mastodon;',
      ].join('\n');
      assert.deepEqual(await lines(content, { resultBytes: 400 }), [
        '2: const limit = 5;',
        '13: export function first(): void {',
        '24:   // TODO: round half to even',
        '35: class Inner {',
        '46: export {',
        '47:   limit,',
        '48:   other as another,',
        '49: };',
        '60: // FIXME broken',
        '71: const TODOS = mastodon;',
        '... 10 of 71 lines shown; read f.ts:FROM-TO for the rest',
      ]);
    });

    test('keeps marks before exports before declarations when even those do not fit', async () => {
      const content = `${'function f() {\n'.repeat(50)}${'export const e = 1;\n'.repeat(5)}${'// TODO: t\n'.repeat(3)}`;
      const shown = await lines(content, { resultBytes: 250 });
      assert.equal(shown.filter((line) => line.includes('TODO')).length, 3);
      assert.equal(shown.filter((line) => line.includes('export')).length, 5);
      assert.deepEqual(shown[0], '1: function f() {');
      const numbers = shown.slice(0, -1).map((line) => Number.parseInt(line));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
    });

    test('stays within any room', async () => {
      const content = '// TODO: something to do\nexport const value = 1;\nfunction f() {\n'.repeat(90);
      for (let resultBytes = 60; resultBytes < 9000; resultBytes += 371) {
        const last = (await lines(content, { resultBytes })).at(-1);
        if (resultBytes < 7000)
          assert.match(last ?? '', /^\.\.\. \d+ of 270 lines shown; read f\.ts:FROM-TO/);
      }
    });

    test('without declarations is told by its beginning', async () => {
      const shown = await lines('just some words\n'.repeat(200), { resultBytes: 160 });
      assert.deepEqual(shown.slice(0, 2), ['1: just some words', '2: just some words']);
      assert.equal(shown.at(-1), '... 5 of 200 lines shown; read f.ts:FROM-TO for the rest');
    });

    test('of prose is told by its headings', async () => {
      const content = `# One\n${'words\n'.repeat(30)}## Two\n${'#not a heading\n'.repeat(40)}`;
      const shown = await lines(content, { resultBytes: 90 });
      assert.deepEqual(shown.slice(0, 2), ['1: # One', '32: ## Two']);
    });

    test('of a megabyte is read within its memory and its time', async () => {
      const shown = await lines('export const a = 1;\n'.repeat(52_000), { resultBytes: 4000 });
      assert.equal(shown[0], '1: export const a = 1;');
      assert.equal((await lines('\n'.repeat(1_000_000), { resultBytes: 300 }))[0], '1: ');
      assert.equal((await lines('x'.repeat(1_000_000), { resultBytes: 300 }))[0], `1: ${'x'.repeat(160)}…`);
    });
  });
});
