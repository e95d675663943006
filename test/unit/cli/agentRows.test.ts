// The table of agents, as people see it: whole tables are compared, so that a change of one column shows.

import assert from 'node:assert/strict';
import { formatBytes, formatSeconds, renderAgents } from '../../../src/cli/agentRows.js';
import { displayWidth } from '../../../src/cli/displayWidth.js';
import { colourStyle, plainStyle } from '../../../src/cli/style.js';
import type { AgentRow } from '../../../src/shared/protocol.js';

const row = (change: Partial<AgentRow>): AgentRow => ({
  pid: 1,
  name: 'coder',
  task: 'Where is parseConfig defined?',
  state: 'running',
  reason: '',
  outcome: undefined,
  class: 'normal',
  nice: 0,
  promptTokens: 312,
  generatedTokens: 18,
  tokensPerSecond: 41.23,
  kvBytes: 8_110_000,
  tier: 'slots',
  deviceMs: 830,
  waitMs: 420,
  isPaused: false,
  firstTokenMs: null,
  ...change,
});

const fleet: readonly AgentRow[] = [
  row({}),
  row({
    pid: 2,
    name: 'reviewer',
    state: 'ready',
    reason: 'waiting for the device: 0.4 s behind coder',
    waitMs: 12_345,
  }),
  row({
    pid: 3,
    state: 'blocked',
    reason: 'waiting for you: fs.write src/a.ts',
    task: 'Rename a to b in src/a.ts.',
  }),
  row({ pid: 12, state: 'exited', outcome: 'answered', tokensPerSecond: 0, kvBytes: 0, waitMs: 0 }),
];

const check = (rows: readonly AgentRow[], columns: number, lines: number, expected: string): void => {
  const drawn = renderAgents(rows, { columns, lines }, plainStyle);
  assert.equal(`\n${drawn.join('\n')}\n`, expected);
  for (const line of drawn) assert.ok(displayWidth(line) <= columns, line);
};

suite('the table of agents', () => {
  test('in a wide terminal', () => {
    check(
      fleet,
      120,
      24,
      `
PID  AGENT     STATE     TOKENS  TOK/S      KV    WAIT  TASK
  1  coder     running   312+18   41.2  8.1 MB   0.4 s  Where is parseConfig defined?
  2  reviewer  ready     312+18   41.2  8.1 MB  12.3 s  Where is parseConfi…  waiting for the device: 0.4 s behind coder
  3  coder     blocked   312+18   41.2  8.1 MB   0.4 s  Rename a to b in src/a.ts.  waiting for you: fs.write src/a.ts
 12  coder     answered  312+18    0.0     0 B   0.0 s  Where is parseConfig defined?
`,
    );
  });

  test('in a narrow terminal the least needed columns go first', () => {
    check(
      fleet,
      70,
      24,
      `
PID  AGENT     STATE     TOKENS  TOK/S  TASK
  1  coder     running   312+18   41.2  Where is parseConfig defined?
  2  reviewer  ready     312+18   41.2  Where i…  waiting for the dev…
  3  coder     blocked   312+18   41.2  Rename …  waiting for you: fs…
 12  coder     answered  312+18    0.0  Where is parseConfig defined?
`,
    );
    check(
      fleet.slice(0, 1),
      30,
      24,
      `
STATE    TASK
running  Where is parseConfig…
`,
    );
  });

  test('in a low terminal it says how many are not shown', () => {
    check(
      fleet,
      60,
      4,
      `
PID  AGENT     STATE     TOKENS  TASK
  1  coder     running   312+18  Where is parseConfig defin…
  2  reviewer  ready     312+18  Where …  waiting for the d…
and 2 more
`,
    );
  });

  test('shows what a task or reason would hide, and measures wide characters', () => {
    check(
      [
        row({ task: 'list\u001b[2K\nall \u202egnp.ts', reason: '' }),
        row({ pid: 2, task: '日本語のファイルを読んでください' }),
      ],
      60,
      24,
      `
PID  AGENT  STATE    TOKENS  TOK/S  TASK
  1  coder  running  312+18   41.2  list\\u{1b}[2K\\u{0a}all …
  2  coder  running  312+18   41.2  日本語のファイルを読ん…
`,
    );
  });

  test('colours change nothing but the colour', () => {
    const coloured = renderAgents(fleet, { columns: 100, lines: 24 }, colourStyle).join('\n');
    // eslint-disable-next-line no-control-regex -- the escape character is what a style sequence begins with
    const stripped = coloured.replace(/\u001b\[\d+m/g, '');
    assert.equal(stripped, renderAgents(fleet, { columns: 100, lines: 24 }, plainStyle).join('\n'));
    assert.ok(coloured.includes('\u001b[36mrunning \u001b[39m'));
  });
});

suite('quantities', () => {
  const bytes: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [9_950, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [24_600_000_000, '25 GB'],
  ];
  for (const [value, text] of bytes) {
    test(`${value} bytes are ${text}`, () => assert.equal(formatBytes(value), text));
  }
  const times: [number, string][] = [
    [0, '0.0 s'],
    [49, '0.0 s'],
    [12_345, '12.3 s'],
    [99_949, '99.9 s'],
    [99_950, '1 min'],
    [3_600_000, '60 min'],
    [6_000_000, '1 h'],
  ];
  for (const [value, text] of times) {
    test(`${value} ms are ${text}`, () => assert.equal(formatSeconds(value), text));
  }
});
