// The table of an agent's life.
import assert from 'node:assert/strict';
import { assertTransition, legalTransitions, type AgentState } from '../../../src/shared/agentState.js';

const states = Object.keys(legalTransitions) as AgentState[];

suite('agent states', () => {
  test('every state but the last can end', () => {
    for (const state of states) {
      assert.equal(legalTransitions[state].includes('exited'), state !== 'exited', state);
    }
  });

  test('every state is reachable from ready', () => {
    const seen = new Set<AgentState>(['ready']);
    for (const state of seen) for (const next of legalTransitions[state]) seen.add(next);
    assert.deepEqual([...seen].sort(), [...states].sort());
  });

  test('what has exited stays exited', () => {
    for (const state of states) assert.throws(() => assertTransition('exited', state), { code: 'bug' });
  });

  test('a step that is not in the table is a bug that names both states', () => {
    assert.throws(() => assertTransition('blocked', 'running'), /blocked -> running/);
  });
});
