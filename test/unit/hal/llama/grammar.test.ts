import assert from 'node:assert/strict';
import { toolCallGrammar } from '../../../../src/hal/llama/grammar.js';
import { KernelError } from '../../../../src/shared/errors.js';

const tool = (name: string, ...keys: string[]) => ({
  name,
  description: '',
  parameters: Object.fromEntries(keys.map((key) => [key, { description: '' }])),
});

suite('the grammar of tool calls', () => {
  test('spells one alternative a tool, parameters in order', () => {
    assert.equal(
      toolCallGrammar([tool('edit', 'path', 'find'), tool('now')]),
      [
        'root ::= "\\n"? (call0 | call1)',
        'call0 ::= "{\\"name\\":" gap "\\"edit\\"," gap "\\"arguments\\":" gap "{" "\\"path\\":" gap string "," gap "\\"find\\":" gap string "}}"',
        'call1 ::= "{\\"name\\":" gap "\\"now\\"," gap "\\"arguments\\":" gap "{" "}}"',
        'gap ::= " "?',
        'string ::= "\\"" char* "\\""',
        'char ::= [^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\/bfnrt] | "u" hex hex hex hex)',
        'hex ::= [0-9a-fA-F]',
      ].join('\n'),
    );
  });

  test('escapes names for JSON and for the grammar', () => {
    const line = toolCallGrammar([tool('a"b\\c')]).split('\n')[1];
    assert.ok(line?.includes(String.raw`"\"a\\\"b\\\\c\","`), line);
  });

  test('needs a tool', () => {
    assert.throws(() => toolCallGrammar([]), KernelError);
  });
});
