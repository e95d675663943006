import assert from 'node:assert/strict';
import { SimulatedVocabulary } from '../../../../src/hal/simulatedVocabulary.js';
import { splice } from '../../../../src/kernel/agent/splice.js';
import { changesBetween } from '../../../../src/kernel/agent/textChanges.js';

function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}

const random = randomOf(3);
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
const lines = Array.from({ length: 40 }, (_, index) => `line ${index} of ${index * 7} 😀\n`).concat([
  '}\n',
  '\n',
  '{\n',
  'x',
]);
const textOf = (): string[] => Array.from({ length: Math.floor(random() * 60) }, () => pick(lines));

/** Some stretches are gone, some are a line, and more comes behind. */
function changed(text: readonly string[]): string {
  const kept: string[] = [];
  for (let at = 0; at < text.length; at++) {
    if (random() < 0.1) {
      at += Math.floor(random() * 10);
      if (random() < 0.7) kept.push(`[paged #${at} x, 3 tokens]\n`);
    } else kept.push(text[at]!);
  }
  return [...kept, ...textOf()].join('');
}

suite('a changed text in the tokens of the one before', () => {
  test('changes applied to the text before make the text after', () => {
    for (let round = 0; round < 400; round++) {
      const before = textOf();
      const [old, now] = [before.join(''), changed(before)];
      let [text, at] = ['', 0];
      for (const change of changesBetween(old, now)) {
        assert.ok(change.start >= at && change.end >= change.start);
        text += old.slice(at, change.start) + change.text;
        at = change.end;
      }
      assert.equal(text + old.slice(at), now);
    }
  });

  test('its tokens spell it, and the edits lead from the tokens before to theirs', () => {
    const vocabulary = new SimulatedVocabulary();
    for (let round = 0; round < 400; round++) {
      const before = textOf();
      const [old, now] = [before.join(''), changed(before)];
      const had = { text: old, tokens: vocabulary.tokenize(old) };
      const spliced = splice(had, now, vocabulary)!;
      assert.equal(vocabulary.detokenize(spliced.tokens), now);
      const led = [];
      let at = 0;
      for (const { start, end, tokens } of spliced.edits) {
        led.push(...had.tokens.slice(at, start), ...tokens);
        at = end;
      }
      assert.deepEqual(spliced.tokens.slice(0, led.length), led);
      const rest = had.tokens.slice(at);
      const kept = rest.findIndex((token, index) => spliced.tokens[led.length + index] !== token);
      if (spliced.edits.length > 0) assert.notEqual(kept, 0);
    }
  });

  test('marks that no token spells do not keep it from being spliced', () => {
    const vocabulary = new SimulatedVocabulary();
    const tokens = vocabulary.tokenize('one\n<|im_end|>two\nthree\n');
    const spliced = splice(
      { text: 'one\n<\uFDD0|im_end|>two\nthree\n', tokens },
      '[x]\nthree\n',
      vocabulary,
    )!;
    assert.equal(vocabulary.detokenize(spliced.tokens), '[x]\nthree\n');
    assert.equal(spliced.edits.length, 1);
  });
});
