// `amk top` as people see it: whole screens are compared, so that a change of one column shows.

import assert from 'node:assert/strict';
import { displayWidth } from '../../../src/cli/displayWidth.js';
import { colourStyle, plainStyle } from '../../../src/cli/style.js';
import type { TopModel } from '../../../src/cli/topModel.js';
import { plainTop, renderTop, topDocument } from '../../../src/cli/topView.js';
import { rowOf } from '../extension/rows.js';
import { descriptor, fleet, modelOf } from './topViews.js';

const nowMs = descriptor.startedAt + 125_000;
const draw = (model: TopModel, columns: number, lines: number, style = plainStyle): string[] =>
  renderTop(model.view(), { columns, lines }, style, nowMs);

function check(model: TopModel, columns: number, lines: number, expected: string): void {
  const drawn = draw(model, columns, lines);
  assert.equal(`\n${drawn.map((line) => line.trimEnd()).join('\n')}\n`, expected);
}

suite('the screen of amk top', () => {
  test('in a wide terminal', () => {
    check(
      modelOf(),
      120,
      11,
      `
kernel 4711 (editor)  tiny  cpu  up 2 min  /home/me/code
3 agents, 2 ended  slots 2/4  device 50 %  20.0 tok/s  memory 412 MB, at most 500 MB

 PID  AGENT     STATE     CLASS        NI  DEV%  TOK/S  TOKENS      KV   WAIT  TASK
>  1  scout     running   interactive  -5    50   20.0  100+40  1.0 kB  0.0 s  find it
   2  reviewer  paused    batch         0     0    0.0  100+10     0 B  0.0 s  find it  paused by you
  12  coder     blocked   normal        0     0    0.0  100+10  1.0 kB  0.0 s  find it  waiting for you: fs.write …
   4  scout     failed    normal        0     0    0.0  100+10     0 B  0.0 s  find it  the engine failed twice
   3  scout     answered  normal        0     0    0.0  100+10     0 B  0.0 s  find it

↑↓ select  p pause  +/- nice  c class  k stop  q quit
`,
    );
  });

  test('in a narrow terminal the least needed columns go first', () => {
    check(
      modelOf(),
      50,
      8,
      `
kernel 4711 (editor)  tiny  cpu  up 2 min
3 agents, 2 ended  slots 2/4  device 50 %
 PID  AGENT     STATE     NI  DEV%  TASK
>  1  scout     running   -5    50  find it
   2  reviewer  paused     0     0  fi…  paused b…
  12  coder     blocked    0     0  fi…  waiting …
   4  scout     failed     0     0  fi…  the engi…
↑↓ select  p pause  +/- nice  c class  k stop
`,
    );
  });

  test('in a tiny terminal there is the selected agent', () => {
    const model = modelOf();
    model.press('end');
    check(
      model,
      24,
      4,
      `
kernel 4711 (editor)
 PID  STATE     TASK
>  3  answered  find it
↑↓ select  p pause
`,
    );
  });

  test('the table scrolls with the selection', () => {
    const model = modelOf(Array.from({ length: 50 }, (_, index) => rowOf(index + 1)));
    const first = (): string[] =>
      draw(model, 80, 12)
        .filter((line) => /^[> ] +\d+ {2}scout/.test(line))
        .map((line) => line.slice(0, 4));
    assert.deepEqual(first().slice(0, 2), ['>  1', '   2']);
    for (let step = 0; step < 20; step++) model.press('down');
    assert.ok(first().includes('> 21') && first().length === 7);
    model.press('end');
    assert.equal(first().at(-1), '> 50');
  });

  test('every line fits, whatever the size, and there are as many as the terminal has', () => {
    const rows = [
      ...fleet,
      rowOf(20, { name: '日本語日本語', task: '日本語のファイルを読んで\u001b[2J\n要約' }),
    ];
    for (let columns = 1; columns <= 140; columns += 3) {
      for (const lines of [1, 2, 3, 4, 5, 8, 24]) {
        const drawn = draw(modelOf(rows), columns, lines);
        assert.equal(drawn.length, lines, `${columns}x${lines}`);
        if (columns < 8) continue;
        for (const line of drawn) assert.ok(displayWidth(line) <= columns, `${columns}x${lines}: ${line}`);
      }
    }
  });

  test('what agents wrote cannot steer the terminal', () => {
    const model = modelOf([rowOf(1, { name: 'a\u001b]0;x\u0007', task: 'b\u001b[2J', reason: 'c\r\u202e' })]);
    const evil = { ...descriptor, model: 'm\u001b[31m', workspaces: ['/w\u001b[1m'] };
    const text = [
      ...draw(model, 200, 12),
      plainTop({ ...model.view(), kernel: evil }, 200, plainStyle, nowMs),
    ].join('');
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('without agents it says so', () => {
    assert.match(draw(modelOf([]), 80, 10).join('\n'), /^0 agents {2}slots 0\/4(.*\n)+ no agents yet$/m);
  });

  test('colours change nothing but the colour', () => {
    const coloured = draw(modelOf(), 100, 12, colourStyle).join('\n');
    // eslint-disable-next-line no-control-regex -- the escape character is what a style sequence begins with
    assert.equal(coloured.replace(/\u001b\[\d+m/g, ''), draw(modelOf(), 100, 12).join('\n'));
    assert.ok(coloured.includes('\u001b[7m>  1'));
  });

  test('as plain text it has no selection, no keys and no padding', () => {
    const text = plainTop(modelOf().view(), 400, plainStyle, nowMs);
    assert.equal(text.split('\n').length, 2 + 1 + 5 + 1);
    assert.match(text, /\n {2}1 {2}scout {5}running .* find it\n/);
    assert.doesNotMatch(text, /quit|>| \n/);
  });

  test('as JSON it has what scripts need, and not the token', () => {
    const document = topDocument(modelOf().view()) as {
      kernel: Record<string, unknown>;
      agents: Record<string, unknown>[];
    };
    assert.deepEqual(document.kernel, {
      pid: 4711,
      client: 'editor',
      model: 'tiny',
      device: 'cpu',
      workspaces: ['/home/me/code'],
      startedAt: 1_000_000,
      slots: { used: 2, total: 4 },
      deviceShare: 0.5,
      generatedPerSecond: 20,
      rssBytes: 412_000_000,
      peakRssBytes: 500_000_000,
      tiers: null,
    });
    const [first] = document.agents;
    assert.deepEqual(
      [first?.['pid'], first?.['deviceShare'], first?.['generatedPerSecond'], first?.['deviceMs']],
      [1, 0.5, 20, 1_000],
    );
  });
});
