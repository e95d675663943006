// Answers, the JSON document, and which agents count as done.

import assert from 'node:assert/strict';
import { answersText, complaint, isComplete, jsonDocument, lostReport } from '../../../src/cli/report.js';
import type { AgentReport, KernelInfo, ToolCallReport } from '../../../src/shared/protocol.js';

const call = (change: Partial<ToolCallReport> = {}): ToolCallReport => ({
  tool: 'read_file',
  arguments: { path: 'a' },
  capability: 'fs.read',
  decision: 'granted',
  ms: 3,
  ok: true,
  ...change,
});

const report = (change: Partial<AgentReport> = {}): AgentReport => ({
  pid: 1,
  name: 'coder',
  task: 'a task',
  state: 'answered',
  answer: 'an answer',
  error: null,
  toolCalls: [call()],
  tokens: { prompt: 1, generated: 2, reused: 0 },
  ms: { queued: 1, prefill: 2, decode: 3, tools: 4, total: 10 },
  ...change,
});

const kernel: KernelInfo = {
  driver: 'llama',
  model: 'small',
  modelPath: '/m.gguf',
  modelBytes: 6,
  device: 'cpu',
  slots: 8,
  contextTokens: 2048,
  kvBytesPerToken: 64,
  bootMs: 100,
  keepsAgents: false,
};

suite('what a run comes to', () => {
  test('the answer of one agent stands alone', () => {
    assert.equal(answersText([report()]), 'an answer\n');
    assert.equal(answersText([report({ answer: 'two\nlines\n' })]), 'two\nlines\n');
    assert.equal(answersText([report({ answer: '' })]), '');
  });

  test('several answers each stand under their agent', () => {
    const second = report({ pid: 2, task: 'other\ntask', answer: '', state: 'failed' });
    assert.equal(
      answersText([report(), second]),
      '[1] coder: a task\nan answer\n\n[2] coder: other\\u{0a}task\n(failed without an answer)\n',
    );
  });

  test('an agent is done when it answered and nothing was denied', () => {
    const error = { code: 'limitReached', message: 'too many steps' } as const;
    const denied = call({ decision: 'denied', ok: false });
    const cases: [AgentReport, boolean, string | undefined][] = [
      [report(), true, undefined],
      [report({ toolCalls: [call({ ok: false, decision: 'none', capability: null })] }), true, undefined],
      [report({ state: 'failed', error }), false, '[1] coder failed: too many steps'],
      [report({ state: 'stopped' }), false, '[1] coder was stopped'],
      [
        report({ toolCalls: [denied, denied, call()] }),
        false,
        '[1] coder answered without what it was denied: read_file (fs.read)',
      ],
    ];
    for (const [agent, done, text] of cases) {
      assert.equal(isComplete(agent), done);
      assert.equal(complaint(agent), text);
    }
  });

  test('the JSON document has the documented shape', () => {
    const text = jsonDocument({ agents: [report()], kernel, peakRssBytes: 7, ms: { boot: 5, total: 9 } });
    assert.deepEqual(JSON.parse(text), {
      agents: [JSON.parse(JSON.stringify(report()))],
      kernel: { driver: 'llama', model: 'small', device: 'cpu', peakRssBytes: 7, ms: { boot: 5, total: 9 } },
    });
  });

  test('an agent that went down with its kernel is reported from what was seen', () => {
    const row = { pid: 3, name: 'scout', task: 't', promptTokens: 4, generatedTokens: 5, waitMs: 6 };
    const error = { code: 'kernelStopped', message: 'the kernel process was killed by SIGKILL' } as const;
    const lost = lostReport(row, [call(), call({ ms: 4 })], 100, error);
    assert.equal(lost.state, 'failed');
    assert.deepEqual(lost.tokens, { prompt: 4, generated: 5, reused: 0 });
    assert.deepEqual(lost.ms, { queued: 6, prefill: 0, decode: 0, tools: 7, total: 100 });
    assert.equal(complaint(lost), '[3] scout failed: the kernel process was killed by SIGKILL');
  });
});
