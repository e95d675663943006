import assert from 'node:assert/strict';
import type { Slot, Token } from '../../../src/hal/driver.js';
import { admitStep, overflowOf } from '../../../src/hal/stepAdmission.js';
import { KernelError } from '../../../src/shared/errors.js';

const slot = (length: number): Slot => ({
  id: 0,
  length,
  tokens: [],
  commonPrefix: () => 0,
  truncate: () => Promise.resolve(),
  rearrange: () => Promise.resolve(),
});
const tokens = (count: number): Token[] => Array.from({ length: count }, (_, index) => index as Token);
const isBug = (error: unknown): boolean => error instanceof KernelError && error.code === 'bug';

suite('step admission', () => {
  test('refuses a slot that is in a step twice', () => {
    const one = slot(0);
    const work = [1, 1].map((count) => ({ slot: one, tokens: tokens(count) }));
    assert.throws(() => admitStep(work, 10), isBug);
  });

  test('refuses work without tokens', () => {
    assert.throws(() => admitStep([{ slot: slot(0), tokens: [] }], 10), isBug);
  });

  test('refuses more tokens than a batch holds, and takes as many', () => {
    const work = [4, 6].map((count) => ({ slot: slot(0), tokens: tokens(count) }));
    assert.throws(() => admitStep(work, 9), isBug);
    admitStep(work, 10);
  });

  test('names the limit when a sequence would outgrow its slot', () => {
    assert.equal(overflowOf({ slot: slot(90), tokens: tokens(10) }, 100), undefined);
    const error = overflowOf({ slot: slot(90), tokens: tokens(11) }, 100);
    assert.equal(error?.code, 'limitReached');
    assert.equal(error.message, 'the context holds 100 tokens and 101 are needed');
  });
});
