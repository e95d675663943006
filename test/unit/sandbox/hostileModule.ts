// The hostile modules of test/fixtures/hostile, and a sandbox with small limits to hold them.
import { readFileSync } from 'node:fs';
import { compileConfined, type ModuleLimits } from '../../../src/kernel/sandbox/confine.js';
import { Sandbox, type SandboxLimits } from '../../../src/kernel/sandbox/sandbox.js';
import type { HostFunctionName } from '../../../src/kernel/sandbox/workerProtocol.js';

export const limits: ModuleLimits & SandboxLimits = {
  memoryPages: 64,
  tableEntries: 4096,
  moduleBytes: 64 * 1024,
  allocationBytes: 4 * 1024 * 1024,
  outputBytes: 64 * 1024,
  requestBytes: 64 * 1024,
  hostCalls: 100,
  deadlineMs: 300,
  startMs: 2000,
};

export const workerUrl = new URL('../../../src/kernel/sandbox/worker.js', import.meta.url);

export function moduleBytes(name: string): Uint8Array {
  return readFileSync(new URL(`../../../../test/fixtures/hostile/${name}.wasm`, import.meta.url));
}

export const compile = (
  name: string,
  hostFunctions: readonly HostFunctionName[] = ['fs_read'],
): Promise<WebAssembly.Module> => compileConfined(moduleBytes(name), hostFunctions, limits);

/** A sandbox around the module, which the test must end. */
export async function sandboxOf(name: string, own: Partial<SandboxLimits> = {}): Promise<Sandbox> {
  return new Sandbox({
    workerUrl,
    name,
    module: await compile(name),
    hostFunctions: ['fs_read'],
    limits: { ...limits, ...own },
  });
}
