/** A kernel without a model behind a real control socket in a folder of its own: what it does is written here. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/hal/clock.js';
import {
  ControlSocket,
  type ControlHandlers,
  type ControlLimits,
} from '../../../src/kernel/controlSocket.js';
import { KernelError } from '../../../src/shared/errors.js';
import type { AgentRow, ControlPlace, LiveGrant, Pid, ReniceRequest } from '../../../src/shared/protocol.js';
import { infoOf, rowOf } from '../extension/rows.js';

export interface ControlledKernel {
  readonly folder: string;
  readonly socket: ControlSocket;
  readonly rows: AgentRow[];
  readonly log: string[];
  /** Calls that changed something, in words. */
  readonly done: string[];
  dispose(): Promise<void>;
}

export interface Differences {
  readonly limits?: Partial<ControlLimits>;
  readonly handlers?: Partial<ControlHandlers>;
  readonly place?: Partial<ControlPlace>;
}

/** Three agents: a running scout, a paused coder, and one that has answered. */
export async function controlledKernel(differences: Differences = {}): Promise<ControlledKernel> {
  const folder = await mkdtemp(join(tmpdir(), 'amk-kernels-'));
  const log: string[] = [];
  const done: string[] = [];
  const rows: AgentRow[] = [
    rowOf(1),
    rowOf(2, {
      name: 'coder',
      state: 'paused',
      isPaused: true,
      reason: 'paused by you',
      kvBytes: 0,
      class: 'batch',
    }),
    rowOf(3, { name: 'old', state: 'exited', outcome: 'answered', kvBytes: 0 }),
  ];
  const socket = new ControlSocket({
    clock: systemClock,
    log: (level, message) => log.push(`${level}: ${message}`),
    ...(differences.limits && { limits: differences.limits }),
  });
  const change = (pid: Pid, fields: Partial<AgentRow>): null => {
    const index = rows.findIndex((row) => row.pid === pid);
    const row = rows[index];
    if (row === undefined) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
    rows[index] = { ...row, ...fields };
    socket.emit('agentsChanged', { rows: [rows[index]] });
    return null;
  };
  const grants: LiveGrant[] = [
    {
      grant: {
        ...{ id: 4, capability: 'fs.read', scope: 'src', pid: 1, lifetime: 'run' },
        ...{ grantedBy: 'person', grantedAt: 1_790_000_000_000 },
      },
      uses: 2,
    },
  ];
  const revoke = (id: number): null => {
    const index = grants.findIndex(({ grant }) => grant.id === id);
    if (index < 0) throw new KernelError('notFound', `there is no grant ${id}`);
    grants.splice(index, 1);
    return null;
  };
  const handlers: ControlHandlers = {
    info: infoOf,
    ping: () => ({ rssBytes: 412_000_000, peakRssBytes: 500_000_000, tiers: null }),
    list: () => rows,
    stop: ({ pid }) => (done.push(`stop ${pid}`), change(pid, { state: 'exited', outcome: 'stopped' })),
    pause: ({ pid }) => (done.push(`pause ${pid}`), change(pid, { state: 'paused', isPaused: true })),
    resume: ({ pid }) => (done.push(`resume ${pid}`), change(pid, { state: 'ready', isPaused: false })),
    renice: (request: ReniceRequest) => {
      const { pid, ...fields } = request;
      done.push(`renice ${JSON.stringify(request)}`);
      return change(pid, fields as Partial<AgentRow>);
    },
    grants: () => grants,
    revoke: ({ id }) => (done.push(`revoke ${id}`), revoke(id)),
    ...differences.handlers,
  };
  const place: ControlPlace = { folder, client: 'cli', workspaces: ['/code'], ...differences.place };
  await socket.open(place, { model: 'tiny', device: 'cpu' }, handlers);
  return {
    folder,
    socket,
    rows,
    log,
    done,
    dispose: async () => {
      socket.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
