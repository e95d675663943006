// What a person can answer to a question in the terminal, and what no key must do.

import assert from 'node:assert/strict';
import { PermissionDialog } from '../../../src/cli/permissionDialog.js';
import type { Access } from '../../../src/shared/capability.js';
import { KernelError } from '../../../src/shared/errors.js';
import type { PermissionAnswer, PermissionRequest } from '../../../src/shared/protocol.js';

const readAccess = (path: string): Access => ({ capability: 'fs.read', path });

const wish = (access: Access, change: Partial<PermissionRequest> = {}): PermissionRequest => ({
  pid: 2,
  agent: 'coder',
  task: 'a task',
  tool: 'read_file',
  access,
  target: access.capability === 'process.run' ? `/usr/bin/${access.argv.join(' ')}` : `/real/${access.path}`,
  ...change,
});

const never = new AbortController().signal;

suite('a question at the terminal', () => {
  let now: number;
  let dialog: PermissionDialog;

  setup(() => {
    now = 0;
    dialog = new PermissionDialog({ now: () => now, onChange: () => undefined });
  });

  const drawn = (columns = 200, rows = 10): readonly string[] => dialog.draw(columns, rows);
  /** Draws, waits until a person can have seen it, and presses. */
  const press = (...keys: string[]): void => {
    for (const key of keys) {
      drawn();
      now += 1000;
      dialog.press(key);
    }
  };

  const answers: [string, Access, string[], PermissionAnswer][] = [
    ['once', readAccess('src/a.ts'), ['o'], { kind: 'allow', lifetime: 'once', scope: 'src/a.ts' }],
    [
      'run, this file',
      readAccess('src/a.ts'),
      ['r', '1'],
      { kind: 'allow', lifetime: 'run', scope: 'src/a.ts' },
    ],
    ['run, its folder', readAccess('src/a.ts'), ['r', '3'], { kind: 'allow', lifetime: 'run', scope: 'src' }],
    [
      'session, workspace',
      readAccess('src/a.ts'),
      ['s', '4'],
      { kind: 'allow', lifetime: 'session', scope: '.' },
    ],
    ['file at the top', readAccess('a.ts'), ['r', '2'], { kind: 'allow', lifetime: 'run', scope: '.' }],
    ['capital letters', readAccess('a.ts'), ['O'], { kind: 'allow', lifetime: 'once', scope: 'a.ts' }],
    [
      'back and once',
      readAccess('a.ts'),
      ['s', 'b', 'o'],
      { kind: 'allow', lifetime: 'once', scope: 'a.ts' },
    ],
    [
      'escape and once',
      readAccess('a.ts'),
      ['s', '\u001b', 'o'],
      { kind: 'allow', lifetime: 'once', scope: 'a.ts' },
    ],
    [
      'a command with any further arguments',
      { capability: 'process.run', argv: ['npm', 'run', 'a b'] },
      ['r', '2'],
      { kind: 'allow', lifetime: 'run', scope: 'npm run "a b" *' },
    ],
    ['denied', readAccess('a.ts'), ['d'], { kind: 'deny', reason: '' }],
    ['denied in the menu', readAccess('a.ts'), ['r', 'd'], { kind: 'deny', reason: '' }],
    [
      'other keys do nothing',
      readAccess('a.ts'),
      ['x', '\r', '1', 'r', '9', '0', 'o', 'b', 'o'],
      { kind: 'allow', lifetime: 'once', scope: 'a.ts' },
    ],
  ];
  for (const [name, access, keys, expected] of answers) {
    test(name, async () => {
      const answer = dialog.ask(wish(access), never);
      press(...keys);
      assert.deepEqual(await answer, expected);
      assert.deepEqual(drawn(), []);
    });
  }

  test('shows who wants what, exactly, and the choices', () => {
    void dialog.ask(wish(readAccess('src/a.ts')), never);
    assert.deepEqual(drawn(), [
      'coder (2) wants to read src/a.ts (/real/src/a.ts)',
      '[o]nce, this [r]un, this [s]ession, [d]eny?',
    ]);
    press('r');
    assert.deepEqual(drawn().slice(1), [
      'for this run: [1] src/a.ts  [2] src/**/*.ts  [3] src/**  [4] whole workspace  [b]ack, [d]eny',
    ]);
  });

  test('spells out characters that deceive', () => {
    const path = 'src/\u202egnp.\u001b[1Ats';
    void dialog.ask(wish(readAccess(path), { agent: 'co\u200bder' }), never);
    assert.equal(
      drawn()[0],
      'co\\u{200b}der (2) wants to read src/\\u{202e}gnp.\\u{1b}[1Ats (/real/src/\\u{202e}gnp.\\u{1b}[1Ats)',
    );
  });

  test('an argument that is a star stays that argument', async () => {
    const answer = dialog.ask(wish({ capability: 'process.run', argv: ['rm', '*'] }), never);
    press('r');
    assert.equal(drawn()[1], 'for this run: [1] rm "*"  [2] rm "*" …  [b]ack, [d]eny');
    press('1');
    assert.deepEqual(await answer, { kind: 'allow', lifetime: 'run', scope: 'rm "*"' });
  });

  test('queues, in the order of asking', async () => {
    const order: string[] = [];
    const all = ['a', 'b', 'c'].map(async (path) => {
      await dialog.ask(wish(readAccess(path)), never);
      order.push(path);
    });
    assert.match(drawn()[0] ?? '', /read a .*\(2 more waiting\)$/);
    press('o', 'o', 'o');
    await Promise.all(all);
    assert.deepEqual(order, ['a', 'b', 'c']);
  });

  test('a key does not answer a question that was not there yet', async () => {
    const first = dialog.ask(wish(readAccess('a')), never);
    const second = dialog.ask(wish(readAccess('b')), never);
    dialog.press('o');
    drawn();
    dialog.press('o');
    now += 1000;
    dialog.press('o');
    dialog.press('o');
    drawn();
    dialog.press('o');
    assert.equal((await first).kind, 'allow');
    assert.match(drawn()[0] ?? '', /read b/);
    now += 1000;
    dialog.press('d');
    assert.equal((await second).kind, 'deny');
  });

  test('what does not fit can only be denied', async () => {
    const answer = dialog.ask(wish(readAccess('long/'.repeat(100))), never);
    assert.match(drawn(60, 4).join(''), /^coder \(2\) wants something that takes \d+ characters to show/);
    now += 1000;
    dialog.press('o');
    dialog.press('r');
    dialog.press('1');
    dialog.press('d');
    assert.equal((await answer).kind, 'deny');
  });

  test('a question that is taken back disappears, and the next is shown', async () => {
    const controller = new AbortController();
    const first = dialog.ask(wish(readAccess('a')), controller.signal);
    const second = dialog.ask(wish(readAccess('b')), never);
    press('r');
    controller.abort();
    await assert.rejects(
      first,
      (error: unknown) => error instanceof KernelError && error.code === 'cancelled',
    );
    assert.match(drawn().join('\n'), /read b .*\n\[o\]nce/);
    press('o');
    assert.equal((await second).kind, 'allow');
  });

  test('a question that was taken back before it was asked is never shown', async () => {
    const controller = new AbortController();
    controller.abort();
    await assert.rejects(dialog.ask(wish(readAccess('a')), controller.signal), /taken back/);
    assert.deepEqual(drawn(), []);
  });
});
