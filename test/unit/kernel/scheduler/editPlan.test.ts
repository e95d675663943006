import assert from 'node:assert/strict';
import type { Token } from '../../../../src/hal/driver.js';
import {
  closedUp,
  edited,
  insertionOf,
  keptOf,
  planEdits,
} from '../../../../src/kernel/scheduler/editPlan.js';
import type { Edit } from '../../../../src/kernel/scheduler/job.js';

const run = (from: number, to: number): Token[] =>
  Array.from({ length: to - from }, (_, index) => (from + index) as Token);
const edit = (start: number, end: number, ...tokens: readonly number[]): Edit => ({
  start,
  end,
  tokens: tokens as Token[],
});
const resident = run(0, 100);
/** What the edits make of it, and a new end. */
const wantedBy = (edits: readonly Edit[]): Token[] => [...edited(resident, edits), ...run(500, 510)];

/** What a slot holds that does as the plan says. */
function carriedOut(edits: readonly Edit[], wanted = wantedBy(edits)): Token[] | undefined {
  const plan = planEdits(resident, wanted, edits);
  if (plan === undefined) return undefined;
  const { tokens, ranges } = insertionOf(plan, resident);
  const result = ranges.flatMap(({ start, end }) => tokens.slice(start, end));
  assert.equal(result.length, plan.reach);
  assert.equal(tokens.length, resident.length + plan.computed);
  return result;
}

suite('a plan of edits', () => {
  test('holds the beginning of the turn in the end, whatever the edits', () => {
    const cases: readonly (readonly Edit[])[] = [
      [edit(20, 40)],
      [edit(20, 40, 901, 902)],
      [edit(20, 22, 901, 902, 903)],
      [edit(20, 20, 901)],
      [edit(0, 10)],
      [edit(0, 10, 901)],
      [edit(10, 20, 901), edit(20, 30), edit(50, 60, 902, 903), edit(98, 99)],
    ];
    for (const edits of cases) {
      assert.deepEqual(carriedOut(edits), edited(resident, edits), JSON.stringify(edits));
    }
  });

  test('stays within the turn, whose last token is always computed', () => {
    const edits = [edit(20, 40, 901)];
    const wanted = edited(resident, edits);
    assert.deepEqual(carriedOut(edits, wanted), wanted.slice(0, -1));
    assert.deepEqual(carriedOut(edits, wanted.slice(0, 50)), wanted.slice(0, 49));
  });

  test('is none where an edit leaves nothing behind it', () => {
    assert.equal(carriedOut([edit(20, 100, 901)]), undefined);
    assert.equal(carriedOut([edit(20, 200)]), undefined);
    assert.equal(carriedOut([]), undefined);
  });

  test('ends where the turn is another than the edits say', () => {
    const edits = [edit(20, 40, 901), edit(60, 70, 902)];
    const wanted = wantedBy(edits);
    const at = (index: number): Token[] => wanted.with(index, 999 as Token);
    assert.equal(planEdits(resident, at(5), edits), undefined);
    assert.equal(planEdits(resident, at(20), edits), undefined);
    assert.deepEqual(carriedOut(edits, at(30)), wanted.slice(0, 30));
    assert.deepEqual(carriedOut(edits, at(60)), wanted.slice(0, 60));
  });

  test('takes edits out of order for what they are', () => {
    const edits = [edit(60, 70), edit(20, 40)];
    const wanted = [...run(0, 60), ...run(70, 100)];
    assert.deepEqual(carriedOut(edits, wanted), wanted.slice(0, -1));
    assert.equal(planEdits(resident, wanted, [edit(40, 20)]), undefined);
  });

  test('closed up is the same plan for what stays alone', () => {
    const edits = [edit(10, 20, 901), edit(50, 60, 902, 903)];
    const plan = planEdits(resident, wantedBy(edits), edits);
    assert.ok(plan);
    const left = keptOf(plan).flatMap(({ start, end }) => resident.slice(start, end));
    const { tokens, ranges } = insertionOf(closedUp(plan), left);
    assert.deepEqual(
      ranges.flatMap(({ start, end }) => tokens.slice(start, end)),
      edited(resident, edits),
    );
  });
});
