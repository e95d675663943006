// Agents at work in the editor, on the embedded model and a real folder: what they answer, what they ask for before
// they touch anything, and what happens when the answer is no.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as vscode from 'vscode';
import type { TestAccess } from '../../../src/extension/extension.js';
import {
  activate,
  allowOnce,
  answerWith,
  deny,
  readText,
  run,
  workspacePath,
  type Answering,
} from '../extensionAccess.js';

suite('runs', () => {
  let access: TestAccess;
  let answering: Answering | undefined;

  suiteSetup(async () => {
    access = await activate();
  });

  teardown(() => {
    answering?.dispose();
    answering = undefined;
  });

  test('an agent that may read finds a definition', async () => {
    answering = answerWith(access, allowOnce);
    const report = await run('scout', 'Where is parseEntries defined?');
    assert.equal(report.state, 'answered');
    assert.match(report.answer, /src\/parseCsv\.ts/);
    assert.ok(report.toolCalls.length > 0);
    assert.deepEqual([...new Set(report.toolCalls.map(({ decision }) => decision))], ['allowed-once']);
    assert.ok(answering.asked.every((request) => request.access.capability === 'fs.read'));
  });

  test('an agent that may not read says so and has read nothing', async () => {
    answering = answerWith(access, deny);
    const report = await run('scout', 'Where is parseEntries defined?');
    assert.doesNotMatch(report.answer, /src\/parseCsv\.ts/);
    assert.match(report.answer, /fs\.read/);
    assert.equal(report.state, 'failed');
    assert.equal(report.error?.code, 'denied');
    assert.ok(report.toolCalls.every(({ decision, ok }) => decision === 'denied' && !ok));
  });

  test('a file changes only after the change was allowed, and then as asked', async () => {
    const file = workspacePath('src', 'report.ts');
    const before = await readText(file);
    const textsWhenAsked: string[] = [];
    answering = answerWith(access, (request) => {
      if (request.access.capability === 'fs.write') {
        textsWhenAsked.push(readFileSync(file.fsPath, 'utf8'));
      }
      return allowOnce(request);
    });
    const report = await run('coder', 'Rename calcTotal to totalOf in src/report.ts.');
    assert.equal(report.state, 'answered');
    const written = answering.asked.filter((request) => request.access.capability === 'fs.write');
    assert.deepEqual(
      written.map((request) => request.target),
      [file.fsPath],
    );
    assert.deepEqual(textsWhenAsked, [before]);
    assert.equal(await readText(file), before.replaceAll('calcTotal', 'totalOf'));
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(before));
  });

  test('two agents work at the same time, each on its own task', async () => {
    answering = answerWith(access, allowOnce);
    const reports = await Promise.all([
      run('scout', 'Where is parseEntries defined?'),
      run('reviewer', 'List the files in src.'),
    ]);
    assert.deepEqual(
      reports.map(({ state, name }) => `${name} ${state}`),
      ['scout answered', 'reviewer answered'],
    );
    assert.match(reports[1].answer, /parseCsv\.ts/);
  });

  test('an agent that nobody answers waits, and ends when it is stopped', async () => {
    answering = answerWith(access, () => undefined);
    const running = run('scout', 'Where is parseEntries defined?');
    const pid = await new Promise<number>((resolve) => {
      const subscription = access.kernel.on('agentsChanged', ({ rows }) => {
        const blocked = rows.find(({ state }) => state === 'blocked');
        if (blocked === undefined) return;
        subscription.dispose();
        resolve(blocked.pid);
      });
    });
    await vscode.commands.executeCommand('agenticMicrokernel.stop', { pid });
    assert.equal((await running).state, 'stopped');
    assert.deepEqual(access.permissions.pending, []);
  });

  test('an agent that does not exist is named, and so are those that do', async () => {
    await assert.rejects(run('nobody', 'Where is parseEntries defined?'), /no agent "nobody".*scout/);
  });

  test('arguments that are not a run are refused', async () => {
    const started = vscode.commands.executeCommand('agenticMicrokernel.run', { agent: 'scout' });
    await assert.rejects(async () => started, /agenticMicrokernel\.run/);
  });
});
