import assert from 'node:assert/strict';
import type { Token } from '../../../../src/hal/driver.js';
import { saidBy, tokensOf } from '../../../../src/kernel/agent/computedText.js';

/** One token a character; what the model wrote may be other tokens of the same text. */
const driver = {
  tokenize: (text: string, after = 'nothing'): Token[] =>
    Array.from(text, (character) => (character.charCodeAt(0) + (after === 'text' ? 1000 : 0)) as Token),
  detokenize: (tokens: readonly Token[]): string =>
    String.fromCharCode(...tokens.map((token) => token % 1000)),
};
const tokens = (...numbers: number[]): Token[] => numbers as Token[];

suite('computed text', () => {
  test('what was never computed is tokenised as a whole', () => {
    assert.deepEqual(tokensOf('ab', [], driver), tokens(97, 98));
    assert.deepEqual(tokensOf('ab', [{ text: 'b', tokens: tokens(5) }], driver), tokens(97, 98));
  });

  test('of what was computed the longest beginning keeps its tokens, and the rest goes on after it', () => {
    const computed = [
      { text: 'abc', tokens: tokens(1, 2) },
      { text: 'ab', tokens: tokens(3) },
    ];
    assert.deepEqual(tokensOf('abcd', computed, driver), tokens(1, 2, 1100));
    assert.deepEqual(tokensOf('abd', computed, driver), tokens(3, 1100));
  });

  test('what the model said belongs to what is computed, in its own tokens', () => {
    const prompt = { text: 'a', tokens: tokens(97) };
    const said = saidBy(prompt, tokens(97, 1098, 99), driver);
    assert.deepEqual(said, { text: 'abc', tokens: tokens(97, 1098, 99) });
    assert.deepEqual(tokensOf('abcd', [said, prompt], driver), tokens(97, 1098, 99, 1100));
  });
});
