/**
 * Open questions of agents, oldest first. A question is answered by a person or taken back by the kernel (its agent
 * ended, or a grant given meanwhile covers it); nothing else settles one, least of all time. Each is settled once.
 */

import { covers } from '../shared/capability.js';
import { Emitter } from '../shared/emitter.js';
import { KernelError } from '../shared/errors.js';
import type { PermissionAnswer, PermissionRequest, Pid } from '../shared/protocol.js';

export interface PendingPermission {
  readonly id: number;
  readonly request: PermissionRequest;
}

interface Entry extends PendingPermission {
  readonly settle: (answer: PermissionAnswer | undefined) => void;
}

/** Whether the right given in answer to `asked` covers what `other` asks for as well. */
export function settles(
  answer: PermissionAnswer,
  asked: PermissionRequest,
  other: PermissionRequest,
): boolean {
  if (answer.kind === 'deny' || answer.lifetime === 'once') return false;
  // Which workspace another agent works in is not known here; of what is covered the kernel tells.
  const isOfOne = answer.lifetime === 'run' || answer.lifetime === 'workspace';
  if (isOfOne && other.pid !== asked.pid) return false;
  return covers({ capability: asked.access.capability, scope: answer.scope }, other.access);
}

export class PermissionQueue {
  readonly #entries = new Map<number, Entry>();
  readonly #changed = new Emitter<undefined>();
  #nextId = 1;

  readonly onDidChange = this.#changed.event;

  get pending(): readonly PendingPermission[] {
    return [...this.#entries.values()];
  }

  has(id: number): boolean {
    return this.#entries.has(id);
  }

  findByPid(pid: Pid): PendingPermission | undefined {
    return this.pending.find(({ request }) => request.pid === pid);
  }

  /** @throws KernelError `cancelled` when the kernel takes the question back. */
  ask(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const takeBack = (): void => void this.#settle(id, undefined);
      const settle = (answer: PermissionAnswer | undefined): void => {
        signal.removeEventListener('abort', takeBack);
        if (answer === undefined) reject(new KernelError('cancelled', 'the question was taken back'));
        else resolve(answer);
      };
      this.#entries.set(id, { id, request, settle });
      if (signal.aborted) takeBack();
      else {
        signal.addEventListener('abort', takeBack, { once: true });
        this.#changed.fire(undefined);
      }
    });
  }

  /** @returns false when the question was settled before, so that nothing was granted by this answer. */
  answer(id: number, answer: PermissionAnswer): boolean {
    return this.#settle(id, answer);
  }

  #settle(id: number, answer: PermissionAnswer | undefined): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    entry.settle(answer);
    this.#changed.fire(undefined);
    return true;
  }
}
