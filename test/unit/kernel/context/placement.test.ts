// Where blocks stand among tokens: found as they were said, wherever the template put them, and never in one another.
import assert from 'node:assert/strict';
import type { ChatMessage } from '../../../../src/hal/driver.js';
import { densities } from '../../../../src/kernel/context/attentionFold.js';
import { BlockTable } from '../../../../src/kernel/context/blockTable.js';
import { placesOf } from '../../../../src/kernel/context/placement.js';

const messages: ChatMessage[] = [
  { role: 'system', content: 'You are a scout of code.' },
  { role: 'user', content: 'Where is the tax computed?\n' },
  { role: 'assistant', content: '', toolCall: { name: 'search', arguments: { query: 'tax of an order' } } },
  { role: 'tool', name: 'search', content: 'src/tax.ts:6: the first line\nsrc/tax.ts:9: the last line\n' },
];

function tableOf(): BlockTable {
  const table = new BlockTable({ messages, task: 1, blockLength: 34, countTokens: (text) => text.length });
  table.extend();
  return table;
}

/** One token a character. */
const speltAs = (text: string) => ({ text, ends: Array.from(text, (_, index) => index + 1) });
const templated = (texts: readonly string[]): string =>
  texts.map((text) => `<start>${text.trim()}<end>\n`).join('');
const said = messages.map((message) =>
  message.role === 'assistant' ? JSON.stringify(message.toolCall) : message.content,
);

suite('blocks among tokens', () => {
  test('each stands where its text is, without what the template trimmed', () => {
    const table = tableOf();
    const text = templated(said);
    const places = placesOf({ table, reentries: [] }, speltAs(text));
    assert.equal(places.size, table.blocks.length);
    for (const block of table.blocks) {
      const { start, end } = places.get(block.id)!;
      assert.equal(text.slice(start, end).trim(), table.text(block).trim());
    }
  });

  test('what is paged or was not computed has no place, and what came back has its new one', () => {
    const table = tableOf();
    const [system, task] = table.blocks;
    assert.ok(system && task);
    task.place = 'recalled';
    const text = `${templated([said[0] ?? ''])}[paged]\n${templated([said[2] ?? '', said[1] ?? ''])}`;
    const places = placesOf(
      { table, reentries: [{ block: task.id, message: 3, isStale: false }] },
      speltAs(text),
    );
    assert.equal(places.get(task.id)?.start, text.indexOf('Where is'));
    assert.ok(table.ofMessage(3).every(({ id }) => !places.has(id)));
  });

  test('tokens that reach into a block are of it', () => {
    const table = tableOf();
    const text = templated(said);
    const ends = Array.from({ length: Math.ceil(text.length / 5) }, (_, index) => (index + 1) * 5);
    const { start, end } = placesOf({ table, reentries: [] }, { text, ends }).get(1)!;
    const at = text.indexOf('You are');
    assert.ok(start * 5 <= at && end * 5 >= at + 'You are a scout of code.'.length);
  });

  test('attention is against an even share of those that could leave', () => {
    const received = Float32Array.of(0.5, 0.1, 0.1, 0.1, 0.2);
    const of = (start: number, end: number, isAlways = false) => ({ range: { start, end }, isAlways });
    const found = densities(received, [of(0, 1, true), of(1, 2), of(2, 4), of(4, 5)], 4);
    assert.deepEqual(
      found.map((value) => value?.toFixed(3)),
      ['5.000', '1.000', '1.000', undefined],
    );
    assert.deepEqual(densities(new Float32Array(4), [of(0, 2)], 4), [undefined]);
  });
});
