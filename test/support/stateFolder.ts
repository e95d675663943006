// Programs that a test starts keep their agents in a folder of the test's own, never in this user's.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** To be called inside a suite: for its time, `AMK_STATE_DIR` names a new folder, which is removed afterwards. */
export function useOwnStateFolder(): void {
  const before = process.env['AMK_STATE_DIR'];
  let folder = '';
  suiteSetup(async () => {
    folder = await mkdtemp(join(tmpdir(), 'amk-test-state-'));
    process.env['AMK_STATE_DIR'] = folder;
  });
  suiteTeardown(async () => {
    if (before === undefined) delete process.env['AMK_STATE_DIR'];
    else process.env['AMK_STATE_DIR'] = before;
    await rm(folder, { recursive: true, force: true });
  });
}
