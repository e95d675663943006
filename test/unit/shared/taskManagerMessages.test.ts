import assert from 'node:assert/strict';
import { pageMessageSchema } from '../../../src/shared/taskManagerMessages.js';

const good: readonly unknown[] = [
  { type: 'watchContext', key: '1.7' },
  { type: 'unwatchContext', key: '1.7' },
  { type: 'readBlock', key: '1.7', id: 3 },
  { type: 'pinBlock', key: '1.7', id: 3, pinned: true },
  { type: 'pageBlock', key: '1.7', id: 3, direction: 'in' },
  { type: 'revoke', grant: '2.1' },
  { type: 'answer', question: 4 },
];

const bad: readonly (readonly [string, unknown])[] = [
  ['a key that is none', { type: 'watchContext', key: '../7' }],
  ['a block that cannot be', { type: 'readBlock', key: '1.7', id: 0 }],
  ['a block of another kind', { type: 'readBlock', key: '1.7', id: '3' }],
  ['a direction that is none', { type: 'pageBlock', key: '1.7', id: 3, direction: 'away' }],
  ['a grant by its bare number', { type: 'revoke', grant: 1 }],
  ['an answer that brings its yes along', { type: 'answer', question: 4, answer: { kind: 'allow' } }],
  ['a right that the page would give', { type: 'grant', capability: 'fs.write', scope: '.' }],
];

suite('messages of the task manager page', () => {
  for (const message of good) {
    test(`takes ${JSON.stringify(message)}`, () =>
      assert.deepEqual(pageMessageSchema.parse(message), message));
  }
  for (const [name, message] of bad) {
    test(`refuses ${name}`, () => assert.equal(pageMessageSchema.safeParse(message).success, false));
  }
});
