// The kernel process as something that may die: the editor lives on, and so do the agents.

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TestAccess } from '../../../src/extension/extension.js';
import { processExists } from '../../../src/hal/processIdentity.js';
import { findKernels, until } from '../../support/processes.js';
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

  test('killed during a run, it is started again and the agent goes on to its answer', async () => {
    const pid = await kernelPid();
    let isKilled = false;
    answering = answerWith(access, (request) => {
      // The next kernel asks again, since a right ends with the kernel that was told of it.
      if (isKilled) return allowOnce(request);
      isKilled = true;
      process.kill(pid, 'SIGKILL');
      return undefined;
    });
    const resumed: string[] = [];
    const subscription = access.kernel.on('agentsResumed', ({ rows }) =>
      resumed.push(...rows.map(({ name }) => name)),
    );
    const report = await run('scout', 'Where is parseEntries defined?');
    subscription.dispose();
    assert.deepEqual(resumed, ['scout']);
    assert.match(report.answer, /src\/parseCsv\.ts/);
    assert.deepEqual(access.permissions.pending, [], 'the question of the dead kernel went with it');
    assert.notEqual(await kernelPid(), pid);
  });

  test('hung, it is killed by the watchdog and started again', async function () {
    this.timeout(90_000);
    const pid = await kernelPid();
    process.kill(pid, 'SIGSTOP');
    await until('the hung kernel is gone', () => !processExists(pid), 60_000);
    assert.notEqual(await kernelPid(), pid);
  });

  test('restarted on request, the old process is gone', async () => {
    const pid = await kernelPid();
    await vscode.commands.executeCommand('agenticMicrokernel.restartKernel');
    await until('the old kernel is gone', () => !processExists(pid));
    assert.notEqual(await kernelPid(), pid);
  });
});
