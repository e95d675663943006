// What an agent's row says of its pauses and of its first token.

import assert from 'node:assert/strict';
import { Agent } from '../../../../src/kernel/agent/agent.js';
import { builtInAgents } from '../../../../src/shared/agentDefinition.js';
import { invariant } from '../../../../src/shared/errors.js';

const [definition] = builtInAgents;

function createAgent(): { agent: Agent; clock: { ms: number } } {
  invariant(definition !== undefined, 'there are built-in agents');
  const clock = { ms: 1_000 };
  const agent = new Agent({
    pid: 1,
    definition,
    task: 'find it',
    workspaceRoot: '/w',
    clock: { now: () => clock.ms, wallClock: () => clock.ms },
    kvBytesPerToken: 1,
    onChange: () => undefined,
  });
  return { agent, clock };
}

suite('the row of an agent', () => {
  test('has the time to the first token of the latest turn that has one', () => {
    const { agent, clock } = createAgent();
    const firstTokenAfter = (ms: number) => {
      clock.ms += ms;
      agent.tokenGenerated(agent.generatedTokens + 1);
      return agent.row().firstTokenMs;
    };
    assert.equal(agent.row().firstTokenMs, null);
    agent.turnStarted();
    assert.equal(agent.row().firstTokenMs, null);
    assert.equal(firstTokenAfter(120), 120);
    assert.equal(firstTokenAfter(5_000), 120);
    clock.ms += 300;
    agent.turnStarted();
    assert.equal(agent.row().firstTokenMs, 120);
    assert.equal(firstTokenAfter(40), 40);
  });

  test('says that it is paused while a tool works for it, and forgets it when it may go on', () => {
    const { agent } = createAgent();
    const shown = () => {
      const { state, isPaused, reason } = agent.row();
      return [state, isPaused, reason];
    };
    agent.onDevice(true);
    agent.toolStarted('read_file');
    agent.pause();
    assert.deepEqual(shown(), ['waiting', true, 'running read_file; paused by you']);
    agent.resume();
    assert.deepEqual(shown(), ['waiting', false, 'running read_file']);
    agent.pause();
    agent.personAsked('fs.read a.ts');
    assert.deepEqual(shown(), ['blocked', true, 'waiting for you: fs.read a.ts; paused by you']);
    agent.personAnswered();
    agent.toolEnded();
    assert.deepEqual(shown(), ['paused', true, 'paused by you']);
  });
});
