// search: the lines that hold a text, the definition first, and nothing that is no source.
import assert from 'node:assert/strict';
import { ToolRunner, type Files, type Script } from './toolRunner.js';

suite('search', () => {
  let tool: ToolRunner;
  suiteSetup(async () => (tool = await ToolRunner.start('search')));
  suiteTeardown(() => tool.end());

  const search = (query: string, files: Files, script: Script = {}) =>
    tool.call({ query }, { ...script, files });

  const found = async (query: string, files: Files, script: Script = {}): Promise<string[]> => {
    const { ok, text } = await search(query, files, script);
    assert.equal(ok, true, text);
    return text.split('\n');
  };

  test('gives path, line number and the trimmed line', async () => {
    const files = { 'src/a.ts': 'one\n\n  export function parse(x: string): void {  \r\n}\n' };
    assert.deepEqual(await found('parse', files), ['src/a.ts:3: export function parse(x: string): void {']);
  });

  test('says when there is nothing', async () => {
    assert.deepEqual(await search('absent', { 'a.ts': 'present' }), { ok: true, text: 'no matches' });
    assert.deepEqual(await search('absent', {}), { ok: true, text: 'no matches' });
  });

  test('puts the definition first, then whole words, then parts of words', async () => {
    const files = {
      'a.ts': 'import { total } from "./m";\nsubtotals(1);\n',
      'b.ts': 'return total(1);\n',
      'm.ts': 'const x = 1;\nexport const total = 5;\n',
    };
    assert.deepEqual(await found('total', files), [
      'm.ts:2: export const total = 5;',
      'a.ts:1: import { total } from "./m";',
      'b.ts:1: return total(1);',
      'a.ts:2: subtotals(1);',
    ]);
  });

  for (const definition of [
    'function spot() {',
    'export default async function* spot(x) {',
    'export abstract class spot<T> {',
    'export const enum spot {',
    'let spot = 4;',
    'declare namespace spot {',
    'type spot = string;',
    'export interface spot extends Other {',
    'def spot(a, b):',
    'async def spot():',
    'class spot(Base):',
    'spot = 5',
    'spot: Final[int] = 5',
    'func spot(a string) error {',
    'func (s *Server) spot() error {',
    'type spot struct {',
    'pub(crate) fn spot(&self) -> u8 {',
    'pub struct spot;',
    'pub const fn spot() {',
    'macro_rules! spot {',
    'static int spot(const char *p) {',
    'std::vector<int> spot(int a) {',
    'public static Map<String, List<T>> spot(T a) throws IOException {',
    '#define spot(x) x',
    'exports.spot = function () {',
    'module.exports.spot = 5;',
    'spot() {',
    'export spot=5',
    '  private async spot(a: (b: T) => void): Promise<void> {',
    '  spot(a: string): void;',
    '  static readonly spot = 5;',
    '  get spot(): number {',
    '  readonly spot?: string;',
    '  public spot<T>(a: T): T {',
    '  constructor() {',
  ]) {
    test(`takes for a definition: ${definition.trim()}`, async () => {
      const query = definition.includes('spot') ? 'spot' : 'constructor';
      const files = { 'a.ts': `call(${query});\n`, 'b.ts': `// first\n${definition}\n` };
      assert.equal((await found(query, files))[0], `b.ts:2: ${definition.trim()}`);
    });
  }

  for (const use of [
    'import type { spot } from "./spot";',
    'import spot from "./spot";',
    'export { spot };',
    'export default spot;',
    'const x = spot(1);',
    'const x: spot = 1;',
    'function other(spot: T) {',
    'return spot(a) {',
    'await spot(a);',
    'if spot(a):',
    'spot(a, () => {',
    'spot(a);',
    'spot::new();',
    'spot == 5',
    'this.spot = 5;',
    'a ? spot(b) : c',
    '// function spot() {',
    '"function spot() {"',
    'class Other extends spot {',
    'throw new spot(a) {',
    '  spot: 5,',
  ]) {
    test(`takes for a use: ${use.trim()}`, async () => {
      const files = { 'a.ts': `${use}\n`, 'b.ts': '  var spot;\n' };
      assert.deepEqual(await found('spot', files), ['b.ts:1: var spot;', `a.ts:1: ${use.trim()}`]);
    });
  }

  test('puts an outermost definition before one inside', async () => {
    const files = { 'a.ts': '  const rate = 1;\n', 'b.ts': 'export const rate = 2;\n' };
    assert.deepEqual(await found('rate', files), [
      'b.ts:1: export const rate = 2;',
      'a.ts:1: const rate = 1;',
    ]);
  });

  test('puts code before tests, documents and data of the same rank', async () => {
    const files = {
      'README.md': 'uses rate',
      'docs/a.ts': 'rate();',
      'data.json': '{"rate": 1}',
      'src/a.test.ts': 'rate();',
      'test/b.ts': 'rate();',
      'src/z.ts': 'rate();',
    };
    assert.deepEqual(
      (await found('rate', files)).map((line) => line.split(':')[0]),
      ['src/z.ts', 'README.md', 'data.json', 'docs/a.ts', 'src/a.test.ts', 'test/b.ts'],
    );
  });

  test('counts a line once, however often it holds the text', async () => {
    assert.deepEqual(await found('a', { 'x.ts': 'a a aa\nb\na' }), ['x.ts:1: a a aa', 'x.ts:3: a']);
  });

  test('takes the case first, and any case only when there is nothing else', async () => {
    const files = { 'a.ts': 'const PARSE = 1;\nparse();\n', 'b.ts': 'Parse();\n' };
    assert.deepEqual(await found('parse', files), ['a.ts:2: parse();']);
    assert.deepEqual(await found('pArSe', files), [
      'a.ts:1: const PARSE = 1;',
      'a.ts:2: parse();',
      'b.ts:1: Parse();',
    ]);
  });

  test('takes several words and signs literally', async () => {
    const files = { 'a.ts': 'a new  thing\na new thing\nx.*y [z]\n' };
    assert.deepEqual(await found('new thing', files), ['a.ts:2: a new thing']);
    assert.deepEqual(await found('x.*y [z]', files), ['a.ts:3: x.*y [z]']);
    assert.deepEqual(await found('x.+y', files), ['no matches']);
  });

  test('passes over folders that hold no source, links and binary files', async () => {
    const needle = 'needle';
    const files = Object.fromEntries(
      ['.git/a', 'node_modules/a.js', 'dist/a.js', 'out/a.js', 'build/a', 'coverage/a', '.venv/a.py', '.env']
        .concat([
          '__pycache__/a',
          'target/a',
          '.cache/a',
          'a.png',
          'b.WASM',
          'link@',
          'src/node_modules/x.js',
        ])
        .map((path) => [path, needle]),
    );
    assert.deepEqual(await found(needle, { ...files, 'src/out.ts': needle }), ['src/out.ts:1: needle']);
    assert.deepEqual(tool.calls, ['fs_list .', 'fs_list src', 'fs_read src/out.ts']);
  });

  test('passes over files with NUL characters and files that cannot be read', async () => {
    const files = { 'a.ts': 'needle\0', 'b.ts': 'needle', 'c.ts': 'needle' };
    const failures = { 'b.ts': 'error: b.ts is too large: 2.0 GB, and a tool takes at most 1.0 MB' };
    assert.deepEqual(await found('needle', files, { failures }), ['c.ts:1: needle']);
  });

  test('passes over a folder that cannot be listed', async () => {
    const failures = { src: 'error: src is not accessible to this user' };
    assert.deepEqual(await found('needle', { 'src/a.ts': 'needle', 'z.ts': 'needle' }, { failures }), [
      'z.ts:1: needle',
    ]);
  });

  test('ends with the reason when the workspace cannot be listed, and reads nothing', async () => {
    const denial = 'denied: no grant for fs.read\nnot now';
    assert.deepEqual(await search('needle', { 'a.ts': 'needle' }, { failures: { '.': denial } }), {
      ok: false,
      text: denial,
    });
    assert.deepEqual(tool.calls, ['fs_list .']);
  });

  test('ends at the first denied call and says nothing of what it found before', async () => {
    const denial = 'denied: no grant for fs.read';
    const files = { 'a.ts': 'needle', 'b.ts': 'needle', 'c.ts': 'needle' };
    assert.deepEqual(await search('needle', files, { failures: { 'b.ts': denial } }), {
      ok: false,
      text: denial,
    });
    assert.deepEqual(tool.calls, ['fs_list .', 'fs_read a.ts', 'fs_read b.ts']);
  });

  test('shows twelve lines at most and says how many there are', async () => {
    const lines = await found('x', { 'a.ts': 'x\n'.repeat(40) });
    assert.equal(lines.length, 13);
    assert.equal(lines[11], 'a.ts:12: x');
    assert.equal(lines[12], '... 12 of 40 matches shown');
    assert.equal((await found('x', { 'a.ts': 'x\n'.repeat(12) })).at(-1), 'a.ts:12: x');
  });

  test('shows no more than the result may have', async () => {
    const files = { 'a.ts': 'export const needle = 1;\n'.repeat(30) };
    for (const resultBytes of [60, 100, 200, 333, 420]) {
      const { text } = await search('needle', files, { resultBytes });
      assert.ok(Buffer.byteLength(text) <= resultBytes, `${text.length} > ${resultBytes}`);
      assert.match(text, /\n\.\.\. \d+ of 30 matches shown$/);
    }
    const { text } = await search('needle', { 'a.ts': 'needle' }, { resultBytes: 14 });
    assert.equal(text, 'a.ts:1: needle');
  });

  test('cuts long lines at 100 characters, between characters', async () => {
    const [line] = await found('é', { 'a.ts': `\t${'é'.repeat(300)}` });
    assert.equal(line, `a.ts:1: ${'é'.repeat(100)}`);
  });

  test('mends lines that are not UTF-8 and holds no control characters', async () => {
    const bytes = Uint8Array.from([...Buffer.from('needle '), 0xff, 0x1b, 0x41, 0x0a]);
    assert.deepEqual(await found('needle', { 'a.ts': bytes }), ['a.ts:1: needle \uFFFD\uFFFDA']);
  });

  test('sees a definition behind a byte order mark', async () => {
    assert.deepEqual(await found('x', { 'a.ts': 'x();', 'b.ts': '\uFEFFvar x;' }), [
      'b.ts:1: var x;',
      'a.ts:1: x();',
    ]);
  });

  test('finds names beyond ASCII as whole words', async () => {
    const files = { 'a.ts': 'größer();\nconst größe = 1;\n' };
    assert.deepEqual(await found('größe', files), ['a.ts:2: const größe = 1;', 'a.ts:1: größer();']);
  });

  test('refuses to search for nothing', async () => {
    for (const query of ['', '  ', '\n']) {
      assert.deepEqual(await search(query, { 'a.ts': 'a' }), {
        ok: false,
        text: 'error: nothing to search for',
      });
    }
    assert.deepEqual(tool.calls, []);
  });

  test('goes through a long line of matches at once', async () => {
    const files = { 'a.js': 'spot(1),'.repeat(120_000), 'b.js': `${'xspot;'.repeat(150_000)}spot` };
    const lines = await found('spot', files);
    assert.deepEqual(
      lines.map((line) => line.slice(0, 12)),
      ['a.js:1: spot', 'b.js:1: xspo'],
    );
  });

  test('searches more than its memory holds', async function () {
    this.timeout(20_000);
    const source = 'const value = compute(alpha, beta); // nothing to see\n'.repeat(18_000);
    const files: Files = { 'src/z.ts': 'export const rare = 1;\n' };
    for (let i = 100; i < 220; i++) files[`src/file${i}.ts`] = source;
    assert.deepEqual(await found('rare', files), ['src/z.ts:1: export const rare = 1;']);
  });

  test('searches two thousand files', async function () {
    this.timeout(20_000);
    const files: Files = { 'src/part49/last.ts': 'export const rare = 1;\n' };
    for (let i = 0; i < 2000; i++)
      files[`src/part${i % 50}/file${i}.ts`] = 'const value = compute(alpha);\n'.repeat(30);
    assert.deepEqual(await found('rare', files), ['src/part49/last.ts:1: export const rare = 1;']);
  });

  test('stops in a workspace that never ends, and says so', async function () {
    this.timeout(20_000);
    const files: Files = {};
    for (let i = 0; i < 20_000; i++) files[`file${i}.ts`] = i === 5 ? 'needle' : '';
    assert.deepEqual(await found('needle', files), [
      'file5.ts:1: needle',
      '... only a part of this large workspace was searched',
    ]);
    assert.equal(tool.calls.length, 19_000);
  });
});
