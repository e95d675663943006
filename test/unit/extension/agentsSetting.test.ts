import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mergeAgents } from '../../../src/extension/agentsSetting.js';
import { nextStepsFor } from '../../../src/extension/nextSteps.js';
import { taskManagerHtml } from '../../../src/extension/taskManagerHtml.js';
import { builtInAgents } from '../../../src/shared/agentDefinition.js';
import { pageMessageSchema } from '../../../src/shared/taskManagerMessages.js';

suite('agents to choose from', () => {
  test('are the built-in ones when nothing is configured', () => {
    assert.deepEqual(mergeAgents([{ source: 'user', value: undefined }]), builtInAgents);
  });

  test('a later layer takes the place of an earlier agent of the same name', () => {
    const agents = mergeAgents([
      { source: 'user', value: [{ name: 'scout', description: 'mine' }, { name: 'librarian' }] },
      { source: 'workspace', value: [{ name: 'scout', description: 'ours' }] },
    ]);
    assert.equal(agents.find(({ name }) => name === 'scout')?.description, 'ours');
    assert.equal(agents.length, builtInAgents.length + 1);
  });

  const faults: [string, unknown, RegExp][] = [
    ['an unknown tool', [{ name: 'a', tools: ['fly'] }], /setting x at 0\.tools\.0: /],
    ['a bad name', [{ name: 'Über' }], /setting x at 0\.name: a name is a lower-case word/],
    ['a right in a definition', [{ name: 'a', grants: ['fs.read:.'] }], /setting x at 0: .*grants/],
    ['two of one name', [{ name: 'a' }, { name: 'a' }], /two agents have the same name/],
    ['something else', 'scout', /setting x: /],
  ];
  for (const [name, value, message] of faults) {
    test(`${name} is refused by place, field and fault`, () => {
      assert.throws(() => mergeAgents([{ source: 'setting x', value }]), { code: 'badRequest', message });
    });
  }
});

suite('next steps', () => {
  test('an unusable model leads to another one', () => {
    assert.deepEqual(
      nextStepsFor('modelUnusable').map(({ label }) => label),
      ['Choose Model File…', 'Use Embedded Model', 'Show Log'],
    );
  });

  test('an untrusted workspace leads to Workspace Trust', () => {
    assert.equal(nextStepsFor('untrustedWorkspace')[0]?.command, 'workbench.trust.manage');
  });
});

suite('the page of the task manager', () => {
  const html = taskManagerHtml({
    cspSource: 'vscode-src',
    nonce: 'abc',
    scriptUri: 's.js',
    styleUri: 's.css',
  });

  test('allows one script by nonce, its own style sheet, and nothing else', () => {
    const policy = /content="(default-src[^"]*)"/.exec(html)?.[1];
    const empty = createHash('sha256').update('').digest('base64');
    assert.equal(
      policy,
      `default-src 'none'; script-src 'nonce-abc'; style-src vscode-src 'sha256-${empty}'; base-uri 'none'; form-action 'none'`,
    );
  });

  test('holds no inline script or style', () => {
    assert.ok(!/<style|style=|\son\w+=/.test(html));
    assert.equal(html.match(/<script/g)?.length, 1);
  });

  const refused = [
    { type: 'stop' },
    { type: 'stop', key: '1' },
    { type: 'renice', key: '1.2', nice: 99 },
    { type: 'command', command: 'workbench.action.quit' },
    { type: 'stop', key: '1.2', extra: true },
    'ready',
    null,
  ];
  for (const message of refused) {
    test(`${JSON.stringify(message)} is not a message of the page`, () => {
      assert.equal(pageMessageSchema.safeParse(message).success, false);
    });
  }
});
