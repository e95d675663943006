/** What the tests of this folder share: a kernel process on a scripted fake, with limits short enough to wait for. */

import { fileURLToPath } from 'node:url';
import {
  KernelProcess,
  type KernelProcessOptions,
  type KernelState,
} from '../../../src/client/kernelProcess.js';
import { builtInAgents } from '../../../src/shared/agentDefinition.js';
import type { ClientCalls, SpawnRequest } from '../../../src/shared/protocol.js';
import { defaultEngineSettings } from '../../../src/shared/settings.js';
import type { Handlers } from '../../../src/shared/peer.js';

export type FakeKernel = 'wellBehaved' | 'otherVersion' | 'silent' | 'crashing' | 'stubborn';

// Tests run from out/test/unit/client; fixtures stay in the source tree.
export const fakeKernelPath = (name: FakeKernel | 'parent'): string =>
  fileURLToPath(new URL(`../../../../test/fixtures/kernels/${name}.mjs`, import.meta.url));

const denyAll: Handlers<ClientCalls> = {
  askPermission: () => ({ kind: 'deny', reason: 'the test denies' }),
};

/** Boot and heartbeat long enough for a busy machine, everything else as short as it can be. */
export const shortLimits = {
  bootTimeoutMs: 10_000,
  heartbeatIntervalMs: 50,
  heartbeatTimeoutMs: 2_000,
  restartBackoffMs: [0, 20],
  restartForgetMs: 60_000,
  shutdownGraceMs: 1_000,
} as const;

export function fakeKernel(
  name: FakeKernel,
  options: Partial<Omit<KernelProcessOptions, 'limits'>> & {
    limits?: Partial<typeof shortLimits> | object;
  } = {},
): KernelProcess {
  return new KernelProcess({
    kernelPath: fakeKernelPath(name),
    engine: () => defaultEngineSettings,
    handlers: denyAll,
    ...options,
    limits: { ...shortLimits, ...options.limits },
  });
}

export function spawnRequest(task: string): SpawnRequest {
  const definition = builtInAgents.find((agent) => agent.name === 'coder');
  if (definition === undefined) throw new Error('there is no coder');
  return { definition, task, workspace: { root: '/workspace', trusted: true }, grants: [] };
}

/** The states a kernel goes through, by name, from now on. */
export function recordStates(kernel: KernelProcess): KernelState['name'][] {
  const states: KernelState['name'][] = [];
  kernel.on('stateChanged', (state) => states.push(state.name));
  return states;
}

export function nextState(kernel: KernelProcess, name: KernelState['name']): Promise<KernelState> {
  return new Promise((resolve) => {
    const subscription = kernel.on('stateChanged', (state) => {
      if (state.name !== name) return;
      subscription.dispose();
      resolve(state);
    });
  });
}
