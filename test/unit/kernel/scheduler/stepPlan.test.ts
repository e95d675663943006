// What goes into one device step, and what the scheduler learns of the device.
import assert from 'node:assert/strict';
import type { Slot } from '../../../../src/hal/driver.js';
import { Job } from '../../../../src/kernel/scheduler/job.js';
import { StepCost } from '../../../../src/kernel/scheduler/stepCost.js';
import { planStep, type Candidate } from '../../../../src/kernel/scheduler/stepPlan.js';
import type { PriorityClass } from '../../../../src/shared/agentDefinition.js';
import { TestClient } from './machine.js';

/** 0.5 ms a prompt token; a decode step takes 5 ms and 1 ms more for each sequence. */
function learnt(): StepCost {
  const cost = new StepCost();
  for (let round = 0; round < 50; round++) {
    cost.observe({ prefillTokens: 100, decodes: 0, ms: 50 });
    for (let decodes = 1; decodes <= 8; decodes++)
      cost.observe({ prefillTokens: 0, decodes, ms: 5 + decodes });
  }
  return cost;
}

let id = 0;
function candidate(priority: PriorityClass, missing: number): Candidate {
  const turn = {
    tokens: [],
    sampling: { temperature: 0, constraint: undefined },
    accept: () => 'done' as const,
  };
  const job = new Job(new TestClient(priority), turn, 0, () => undefined);
  return { job, slot: { id: id++ } as Slot, missing };
}

const plan = (candidates: readonly Candidate[], interactiveTargetMs = 200): number[] => {
  const planned = planStep(candidates, {
    cost: learnt(),
    batchTokens: 520,
    targets: { interactiveTargetMs },
  });
  return candidates.map((each) => planned.find(({ job }) => job === each.job)?.count ?? 0);
};

suite('step plan', () => {
  test('everybody who decodes does, and prompts fill the step up to half of the latency target', () => {
    const [decoding, prompt] = plan([candidate('batch', 1), candidate('batch', 1000)]);
    assert.equal(decoding, 1);
    assert.ok(prompt! > 150 && prompt! <= 200, `${prompt} tokens at 0.5 ms`);
  });

  test('a wider target makes longer slices', () => {
    const [prompt] = plan([candidate('batch', 5000)], 400);
    assert.ok(prompt! > 300);
  });

  test('prompts of normal agents and of batch agents share a step', () => {
    const counts = plan([candidate('normal', 1), candidate('batch', 1000)]);
    assert.ok(counts[1]! > 100);
  });

  test('next to an interactive agent the prompt of another gets a small part', () => {
    const [, alone] = plan([candidate('batch', 1), candidate('batch', 1000)]);
    const [own, other] = plan([candidate('interactive', 1), candidate('batch', 1000)]);
    assert.equal(own, 1);
    assert.ok(other! < alone! / 3);
  });

  test('an interactive prompt is not kept from the device by prompts of others', () => {
    const [own, other] = plan([candidate('interactive', 400), candidate('batch', 1000)]);
    assert.ok(own! >= 100);
    assert.equal(other, 0);
  });

  test('a step never carries more than the engine takes', () => {
    const counts = planStep([candidate('batch', 4000), candidate('batch', 1)], {
      cost: learnt(),
      batchTokens: 32,
      targets: { interactiveTargetMs: 10_000 },
    }).map(({ count }) => count);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      32,
    );
  });
});

suite('step cost', () => {
  test('all sequences decode together while that raises the tokens a second', () => {
    assert.equal(learnt().bestBatch(8), 8);
  });

  test('a batch that makes the step slower in proportion is not made', () => {
    const cost = new StepCost();
    for (let decodes = 1; decodes <= 8; decodes++) {
      cost.observe({ prefillTokens: 0, decodes, ms: decodes <= 4 ? 10 + decodes : 10 * decodes });
    }
    assert.equal(cost.bestBatch(8), 4);
  });

  test('now and then all are tried, so that a wrong estimate is corrected', () => {
    const cost = new StepCost();
    for (const decodes of [1, 8]) cost.observe({ prefillTokens: 0, decodes, ms: decodes === 1 ? 5 : 200 });
    const batches = Array.from({ length: 300 }, () => cost.bestBatch(8));
    assert.ok(batches.includes(8));
    assert.ok(batches.filter((batch) => batch === 8).length <= 2);
  });

  test('what was not measured lies between what was', () => {
    const cost = new StepCost();
    cost.observe({ prefillTokens: 0, decodes: 1, ms: 10 });
    cost.observe({ prefillTokens: 0, decodes: 5, ms: 18 });
    assert.equal(cost.decodeStepMs(3), 14);
    assert.equal(cost.decodeStepMs(8), 18);
  });

  test('shares of a step add up to it', () => {
    const shares = learnt().shareOut(30, [1, 1, 64]);
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 30) < 1e-9);
    assert.ok(shares[2]! > shares[0]!);
  });
});
