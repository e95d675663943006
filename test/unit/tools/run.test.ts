// run: one program without a shell, and what it printed as a person would read it.
import assert from 'node:assert/strict';
import { ToolRunner, type ProgramEnd } from './toolRunner.js';

suite('run', () => {
  let tool: ToolRunner;
  suiteSetup(async () => (tool = await ToolRunner.start('run')));
  suiteTeardown(() => tool.end());

  /** The words that the command is run with. */
  async function words(command: string): Promise<string[]> {
    let seen: string[] | undefined;
    const program = (argv: string[]): ProgramEnd => {
      seen = argv;
      return { status: '0', output: '' };
    };
    const { text } = await tool.call({ command }, { program });
    assert.ok(seen, text);
    assert.equal(text, 'exit 0');
    return seen;
  }

  const printed = async (
    output: string | Uint8Array,
    end: Partial<ProgramEnd> = {},
    resultBytes = 4096,
  ): Promise<string> => {
    const program = (): ProgramEnd => ({ status: '0', ...end, output });
    const { ok, text } = await tool.call({ command: 'x' }, { program, resultBytes });
    assert.equal(ok, true, text);
    return text;
  };

  suite('splits', () => {
    for (const [command, expected] of [
      ['npm test', ['npm', 'test']],
      ['  npm \t run   lint  ', ['npm', 'run', 'lint']],
      ['go test ./...', ['go', 'test', './...']],
      ['node -e "x(1); y()"', ['node', '-e', 'x(1); y()']],
      ["node -e 'a | b > $c `d` \\n'", ['node', '-e', 'a | b > $c `d` \\n']],
      ['a "b"\'c\'d', ['a', 'bcd']],
      ['a "" \'\'', ['a', '', '']],
      ['a "q\\"q" "b\\\\s" "n\\n" "\\$x"', ['a', 'q"q', 'b\\s', 'n\\n', '$x']],
      ['a b\\ c \\"d \\*', ['a', 'b c', '"d', '*']],
      ['a b\\\nc', ['a', 'bc']],
      ['mocha --grep=a* --x=? -k*', ['mocha', '--grep=a*', '--x=?', '-k*']],
      ['a "*.ts" \'?\' x"*"', ['a', '*.ts', '?', 'x*']],
      ['git show HEAD~1 HEAD^ HEAD@{1}', ['git', 'show', 'HEAD~1', 'HEAD^', 'HEAD@{1}']],
      ['pytest t.py::f[a-b] a#b a=b C=d', ['pytest', 't.py::f[a-b]', 'a#b', 'a=b', 'C=d']],
      ['echo $ 5$ "$" "a$" größe 100%', ['echo', '$', '5$', '$', 'a$', 'größe', '100%']],
      ['"./my tool" x', ['./my tool', 'x']],
      ['"A=b" x', ['A=b', 'x']],
    ] as const) {
      test(JSON.stringify(command), async () => assert.deepEqual(await words(command), expected));
    }
  });

  suite('refuses what only a shell does:', () => {
    for (const [command, what] of [
      ['a | b', '`|`'],
      ['a && b', '`&&`'],
      ['a || b', '`||`'],
      ['a; b', '`;`'],
      ['a &', '`&`'],
      ['a > b', '`>`'],
      ['a 2>&1', '`>&`'],
      ['a >> b', '`>>`'],
      ['a < b', '`<`'],
      ['(a)', '`(`'],
      ['a $(b)', '`$`'],
      ['a ${b}', '`$`'],
      ['a $HOME', '`$`'],
      ['a "$HOME"', '`$`'],
      ['a `b`', '```'],
      ['a "`b`"', '```'],
      ['a *.ts', '`*`'],
      ['a src/*.ts', '`src/*.ts`'],
      ['a x?.ts', '`x?.ts`'],
      ['a ?', '`?`'],
      ['a ~/x', '`~`'],
      ['a # b', '`#`'],
      ['A=b c', '`A=b`'],
      ['a\nb', 'a line break'],
    ] as const) {
      test(JSON.stringify(command), async () => {
        assert.deepEqual(await tool.call({ command }), {
          ok: false,
          text: `error: there is no shell here, so ${what} does nothing; run one program with its arguments`,
        });
        assert.deepEqual(tool.calls, []);
      });
    }
  });

  test('refuses what is not complete', async () => {
    for (const [command, text] of [
      ['a "b', 'error: a quote is not closed'],
      ["a 'b", 'error: a quote is not closed'],
      ['a \\', 'error: the command ends in a backslash'],
      ['', 'error: nothing to run'],
      ['  ', 'error: nothing to run'],
      ['"" a', 'error: nothing to run'],
    ] as const) {
      assert.deepEqual(await tool.call({ command }), { ok: false, text });
    }
  });

  test('passes refusals and failures on', async () => {
    for (const reason of ['denied: no grant for process.run', 'error: there is no program foo']) {
      assert.deepEqual(await tool.call({ command: 'foo' }, { failures: { foo: reason } }), {
        ...{ ok: false, text: reason },
      });
    }
  });

  test('gives the output, then how it ended', async () => {
    assert.equal(await printed('one\ntwo\n'), 'one\ntwo\nexit 0');
    assert.equal(await printed('one', { status: '3' }), 'one\nexit 3');
    assert.equal(await printed(''), 'exit 0');
    assert.equal(
      await printed('a\n', { status: '124', note: 'stopped after 120 s' }),
      'a\nstopped after 120 s\nexit 124',
    );
  });

  test('leaves empty lines at the end out, and keeps those inside', async () => {
    assert.equal(await printed('a\n\n  b\n\n \n\n'), 'a\n\n  b\nexit 0');
  });

  test('strips colours, titles, links and control characters', async () => {
    assert.equal(
      await printed(
        '\u001b[1;31mred\u001b[0m \u001b]0;title\u0007x\u001b]8;;http://a\u001b\\y\u001b(Bz\u001b7!\n',
      ),
      'red xyz!\nexit 0',
    );
    assert.equal(await printed('a\u0007\u0000b\u0085c\u007fd\te\u009b'), 'abcd\te\nexit 0');
    assert.equal(await printed('a\u001b'), 'a\nexit 0');
    assert.equal(await printed('a\u001b[12'), 'a\nexit 0');
    assert.equal(await printed('a\u001b]never ends'), 'a\nexit 0');
  });

  test('shows a line that was printed over as it last was', async () => {
    assert.equal(await printed('10 %\r50 %\r100 %\r\nnext\r\n\rlast\r'), '100 %\nnext\nlast\nexit 0');
  });

  test('mends what is not UTF-8', async () => {
    assert.equal(
      await printed(Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x62, 0xc2)),
      'a\uFFFD\uFFFD\uFFFDb\uFFFD\nexit 0',
    );
  });

  test('cuts long lines', async () => {
    assert.equal(await printed('é'.repeat(500)), `${'é'.repeat(400)}…\nexit 0`);
  });

  test('keeps the beginning and more of the end when it does not fit', async () => {
    const output = Array.from({ length: 100 }, (_, index) => `line ${index + 1}\n`).join('');
    const text = await printed(output, {}, 200);
    assert.ok(text.length <= 200);
    assert.match(
      text,
      /^line 1\nline 2\n(?:line \d\n)*\.\.\. \d+ lines left out\n(?:line \d+\n)+line 100\nexit 0$/,
    );
    const shown = text.split('\n').filter((line) => line.startsWith('line')).length;
    assert.equal(shown + Number(/\d+(?= lines left)/.exec(text)), 100);
    assert.ok(text.indexOf('...') < text.length / 2);
  });

  test('stays within any room', async () => {
    for (let resultBytes = 40; resultBytes < 900; resultBytes += 61) {
      const text = await printed('some words in a line\n'.repeat(40), {}, resultBytes);
      assert.ok(Buffer.byteLength(text) <= resultBytes, `${text.length} > ${resultBytes}`);
      assert.match(text, /\nexit 0$/);
    }
    const text = await printed('x'.repeat(300), {}, 100);
    assert.equal(text, '... 1 line left out\nexit 0');
  });

  test('reads output of its largest size at once', async () => {
    const text = await printed(`${'\u001b[32m✓\u001b[0m\n'.repeat(5000)}done`, {}, 300);
    assert.match(text, /\ndone\nexit 0$/);
  });
});
