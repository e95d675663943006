/**
 * What a person granted to all who work in a workspace, until it is revoked: kept in the extension's own storage, by
 * the workspace's real path, and handed to every kernel at its start. Never in the workspace, which could bring its
 * own. What a kernel says was revoked is gone from here as well.
 */

import type { Memento } from 'vscode';
import type { KernelProcess } from '../client/kernelProcess.js';
import type { Grant } from '../shared/capability.js';
import type { Disposable } from '../shared/lifecycle.js';
import { workspaceGrantSchema, type WorkspaceGrant } from '../shared/protocol.js';

const storageKey = 'workspaceGrants';
/** More than a person gives; a kernel refuses more. */
const mostGrants = 1000;

export class WorkspaceGrants {
  readonly #storage: Pick<Memento, 'get' | 'update'>;

  constructor(storage: Pick<Memento, 'get' | 'update'>) {
    this.#storage = storage;
  }

  /** What cannot be read, as a later version may have written it, grants nothing. */
  get all(): readonly WorkspaceGrant[] {
    const stored = this.#storage.get<unknown>(storageKey);
    if (!Array.isArray(stored)) return [];
    return stored.flatMap((each) => workspaceGrantSchema.safeParse(each).data ?? []);
  }

  /** Keeps the storage as the kernel's live grants are. */
  follow(kernel: Pick<KernelProcess, 'on'>): Disposable {
    return kernel.on('grantChanged', ({ grant, isLive }) => this.#note(grant, isLive));
  }

  #note(grant: Grant, isLive: boolean): void {
    const { workspace, capability, scope, uses, expiresAt } = grant;
    if (grant.lifetime !== 'workspace' || workspace === undefined) return;
    const spec = {
      capability,
      scope,
      ...(uses !== undefined && { uses }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    const others = this.all.filter((each) => !isSame(each, { workspace, spec }));
    const now = isLive ? [...others, { workspace, spec }].slice(-mostGrants) : others;
    void this.#storage.update(storageKey, now);
  }
}

function isSame(a: WorkspaceGrant, b: WorkspaceGrant): boolean {
  return (
    a.workspace === b.workspace && a.spec.capability === b.spec.capability && a.spec.scope === b.spec.scope
  );
}
