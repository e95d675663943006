import assert from 'node:assert/strict';
import { statusOf, type StatusInput } from '../../../src/extension/statusText.js';
import { infoOf, rowOf } from './rows.js';

const idle: StatusInput = { kernel: 'off', info: undefined, live: [], pending: 0, tokensPerSecond: 0 };
const ready: StatusInput = { ...idle, kernel: 'ready', info: infoOf() };
const three = [rowOf(1), rowOf(2, { state: 'ready' }), rowOf(3, { state: 'waiting' })];

suite('the status bar', () => {
  const cases: [string, StatusInput, string][] = [
    ['nothing runs', idle, '$(circuit-board) 0 agents'],
    ['agents run', { ...ready, live: three, tokensPerSecond: 41.4 }, '$(circuit-board) 3 running · 41 tok/s'],
    ['no token came yet', { ...ready, live: three }, '$(circuit-board) 3 running'],
    ['all are paused', { ...ready, live: [rowOf(1, { state: 'paused' })] }, '$(circuit-board) 1 paused'],
    ['one waits for a person', { ...ready, live: three, pending: 1 }, '$(bell-dot) 1 needs you'],
    ['two wait for a person', { ...ready, live: three, pending: 2 }, '$(bell-dot) 2 need you'],
    ['the kernel starts', { ...idle, kernel: 'starting' }, '$(loading~spin) starting kernel'],
    ['the kernel failed', { ...idle, kernel: 'failed' }, '$(warning) kernel failed'],
  ];
  for (const [when, input, text] of cases) {
    test(`says "${text}" when ${when}`, () => assert.equal(statusOf(input).text, text));
  }

  test('its tooltip names model, device, kernel state and agents', () => {
    const { tooltip } = statusOf({ ...ready, live: three });
    for (const part of ['tiny on cpu', 'Kernel: running', 'scout (waiting)'])
      assert.ok(tooltip.includes(part), part);
  });

  test('it calls for a person only when a question is open', () => {
    assert.equal(statusOf({ ...ready, live: [rowOf(1, { state: 'blocked' })] }).needsPerson, false);
    assert.equal(statusOf({ ...ready, pending: 1 }).needsPerson, true);
  });
});
