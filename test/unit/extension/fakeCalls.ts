/** A kernel for what follows one: events fired by hand, and calls answered by the test. */

import type { KernelProcess } from '../../../src/client/kernelProcess.js';
import { Emitter } from '../../../src/shared/emitter.js';

type Kernel = Pick<KernelProcess, 'on' | 'call' | 'state'>;
type Events = Parameters<KernelProcess['on']>[0];

export interface FakeCalls extends Kernel {
  state: KernelProcess['state'];
  /** Names of the calls so far. */
  readonly called: string[];
  fire(name: Events, payload: unknown): void;
}

/** @param answer what a call returns, or throws */
export function fakeCalls(answer: (name: string, input: unknown) => unknown): FakeCalls {
  const emitters = new Map<string, Emitter<unknown>>();
  const emitterOf = (name: string): Emitter<unknown> => {
    const emitter = emitters.get(name) ?? new Emitter<unknown>();
    emitters.set(name, emitter);
    return emitter;
  };
  const called: string[] = [];
  return {
    state: { name: 'stopped' },
    called,
    on: (name, listener) => emitterOf(name).event((payload) => listener(payload as never)),
    call: async (name, input) => {
      called.push(name);
      return await Promise.resolve(answer(name, input) as never);
    },
    fire: (name, payload) => emitterOf(name).fire(payload),
  };
}
