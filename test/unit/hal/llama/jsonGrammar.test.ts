// What a JSON schema becomes as a grammar, and what no grammar can express. That the engine samples nothing else is
// shown with the embedded model.

import assert from 'node:assert/strict';
import { jsonGrammar, toolCallGrammar } from '../../../../src/hal/llama/grammar.js';
import type { JsonSchema } from '../../../../src/hal/driver.js';
import { KernelError } from '../../../../src/shared/errors.js';

const rulesOf = (schema: JsonSchema, isStrict = false): string[] =>
  jsonGrammar(schema, isStrict)
    .split('\n')
    .filter((rule) => /^(?:root|r\d+) /.test(rule));

const whyNot = (schema: JsonSchema, isStrict = false): string => {
  try {
    jsonGrammar(schema, isStrict);
  } catch (error) {
    assert.ok(error instanceof KernelError && error.code === 'badRequest');
    return error.message;
  }
  return '';
};

suite('JSON schemas as grammars', () => {
  test('values of a type, alternatives and literals', () => {
    assert.deepEqual(rulesOf({ type: 'integer' }), ['root ::= r0', 'r0 ::= integer']);
    assert.deepEqual(rulesOf({ type: ['string', 'null'] }), ['root ::= r0', 'r0 ::= string | null']);
    assert.deepEqual(rulesOf({ enum: ['a"b', 1, null] }), [
      'root ::= r0',
      'r0 ::= "\\"a\\\\\\"b\\"" | "1" | "null"',
    ]);
    assert.deepEqual(rulesOf({ anyOf: [{ const: true }, { type: 'number' }] }), [
      'root ::= r2',
      'r0 ::= "true"',
      'r1 ::= number',
      'r2 ::= r0 | r1',
    ]);
  });

  test('an object has its properties in order, and those that are not required may be left out', () => {
    const rules = rulesOf({
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'boolean' } },
      required: ['b'],
    });
    assert.deepEqual(rules, [
      'root ::= r6',
      'r0 ::= string',
      'r1 ::= boolean',
      'r2 ::= "\\"b\\":" gap r1 ""',
      'r3 ::= "," gap "\\"b\\":" gap r1 ""',
      'r4 ::= "\\"a\\":" gap r0 r3 | r2',
      'r5 ::= "," gap "\\"a\\":" gap r0 r3 | r3',
      'r6 ::= "{" gap r4 gap "}"',
    ]);
  });

  test('arrays and strings have the length that they are to have', () => {
    const [, , array] = rulesOf({ type: 'array', items: { type: 'null' }, minItems: 2, maxItems: 3 });
    assert.equal(array, 'r1 ::= "[" gap r0 ("," gap r0){1,2} gap "]"');
    const [, string] = rulesOf({ type: 'string', minLength: 1, maxLength: 8 });
    assert.equal(string, 'r0 ::= "\\"" char{1,8} "\\""');
  });

  test('a definition may hold itself', () => {
    const node = { type: 'object', properties: { next: { $ref: '#/$defs/node' } } };
    assert.ok(rulesOf({ $ref: '#/$defs/node', $defs: { node } }).length > 3);
  });

  const never: readonly (readonly [schema: JsonSchema, why: RegExp])[] = [
    [{ not: {} }, /says "not"/],
    [{ if: {}, then: {} }, /says "if"/],
    [{ type: 'text' }, /unknown type "text"/],
    [{ enum: [] }, /"enum" of nothing/],
    [{ $ref: 'http://example.com/x' }, /another document/],
    [{ $ref: '#/$defs/x' }, /is not there/],
    [{ $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }] } } }, /refers to itself/],
    [{ allOf: [{}, {}] }, /"allOf"/],
    [{ type: 'object', properties: { a: false } }, /not one that any text fits/],
    [{ type: 'array', minItems: 3, maxItems: 2 }, /below/],
    [{ type: 'string', maxLength: -1 }, /no count/],
  ];
  for (const [schema, why] of never) {
    test(`${JSON.stringify(schema)} is refused`, () => assert.match(whyNot(schema), why));
  }

  test('one that is nested without end is refused', () => {
    let schema: JsonSchema = {};
    for (let depth = 0; depth < 100; depth++) schema = { type: 'array', items: schema };
    assert.match(whyNot(schema), /nested too deeply/);
  });

  test('bounds of a value are the model’s business, unless they must hold', () => {
    assert.equal(whyNot({ type: 'integer', minimum: 0 }), '');
    assert.match(whyNot({ type: 'integer', minimum: 0 }, true), /"minimum", which cannot be held strictly/);
    assert.equal(whyNot({ type: 'string', maxLength: 5000 }), '');
    assert.match(whyNot({ type: 'string', maxLength: 5000 }, true), /more than 512/);
  });

  test('a tool whose schema cannot be expressed is named', () => {
    const tool = { name: 'plot', description: '', parameters: {}, schema: { not: {} } };
    assert.throws(() => toolCallGrammar([tool]), /^KernelError: tool plot: the schema at # says "not"/);
  });
});
