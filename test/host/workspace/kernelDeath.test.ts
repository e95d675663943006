// The kernel process as something that may die: the editor lives on, says what was lost, and the next run works.

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TestAccess } from '../../../src/extension/extension.js';
import { findKernels, isAlive, until } from '../../support/processes.js';
import { activate, allowOnce, answerWith, findExtension, run, type Answering } from '../extensionAccess.js';

suite('the kernel process', () => {
  let access: TestAccess;
  let answering: Answering | undefined;

  suiteSetup(async () => {
    access = await activate();
  });

  teardown(() => {
    answering?.dispose();
    answering = undefined;
  });

  async function kernelPid(): Promise<number> {
    await access.kernel.start();
    const kernels = await findKernels(findExtension().extensionPath);
    assert.equal(kernels.length, 1, 'one kernel serves the window');
    return kernels[0]!.pid;
  }

  test('killed during a run, it is started again and the run says what happened', async () => {
    const pid = await kernelPid();
    answering = answerWith(access, () => {
      process.kill(pid, 'SIGKILL');
      return undefined;
    });
    const lost: string[] = [];
    const subscription = access.kernel.on('agentsLost', ({ rows }) =>
      lost.push(...rows.map(({ name }) => name)),
    );
    await assert.rejects(run('scout', 'Where is parseEntries defined?'), /kernel process/);
    subscription.dispose();
    assert.deepEqual(lost, ['scout']);
    assert.deepEqual(access.permissions.pending, [], 'its question went with it');

    answering.dispose();
    answering = answerWith(access, allowOnce);
    const report = await run('scout', 'Where is parseEntries defined?');
    assert.match(report.answer, /src\/parseCsv\.ts/);
    assert.notEqual(await kernelPid(), pid);
  });

  test('hung, it is killed by the watchdog and started again', async function () {
    this.timeout(90_000);
    const pid = await kernelPid();
    process.kill(pid, 'SIGSTOP');
    await until('the hung kernel is gone', () => !isAlive(pid), 60_000);
    assert.notEqual(await kernelPid(), pid);
  });

  test('restarted on request, the old process is gone', async () => {
    const pid = await kernelPid();
    await vscode.commands.executeCommand('agenticMicrokernel.restartKernel');
    await until('the old kernel is gone', () => !isAlive(pid));
    assert.notEqual(await kernelPid(), pid);
  });
});
