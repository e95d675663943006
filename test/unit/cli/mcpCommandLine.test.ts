// What `amk mcp` understands, and that its help names exactly that.
import assert from 'node:assert/strict';
import { parseCommandLine } from '../../../src/cli/commandLine.js';
import { helpTexts } from '../../../src/cli/help.js';

const parse = (...args: string[]): unknown => parseCommandLine(['mcp', ...args], '/here');

suite('amk mcp, command line', () => {
  test('works in this folder, on the embedded model, with no rights', () => {
    const engine = { model: '', gpu: 'auto' };
    assert.deepEqual(parse(), { kind: 'mcp', workspace: '/here', engine, grants: [], verbose: false });
  });

  test('options', () => {
    assert.deepEqual(parse('-w', '/there', '-g', 'fs.read:src', '-m', 'big.gguf', '--gpu', 'cpu', '-v'), {
      ...{ kind: 'mcp', workspace: '/there', verbose: true },
      engine: { model: 'big.gguf', gpu: 'cpu' },
      grants: [{ capability: 'fs.read', scope: 'src' }],
    });
    assert.deepEqual(parse('--help'), { kind: 'help', topic: 'mcp' });
  });

  test('what makes no sense is refused by name', () => {
    assert.throws(() => parse('serve'), /amk mcp takes no "serve"/);
    assert.throws(() => parse('--gpu', 'abacus'), /abacus/);
    assert.throws(() => parse('--port', '1'), /--port/);
    assert.throws(() => parse('-g', 'everything'), /CAPABILITY:SCOPE/);
  });

  test('the help names the options that there are', () => {
    const named = [...helpTexts.mcp.matchAll(/^ +(?:-\w, )?--([a-z]+)/gm)]
      .map(([, name = '']) => name)
      .sort();
    assert.deepEqual(named, ['gpu', 'grant', 'help', 'model', 'store', 'verbose', 'workspace']);
  });
});
