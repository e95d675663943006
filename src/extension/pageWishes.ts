/**
 * Does what the task manager page asks for. The page names agents and grants by keys that hold over kernel restarts; a
 * wish about one that is gone meanwhile is dropped, since the next view shows that it is. Nothing here gives a right.
 */

import type { KernelProcess } from '../client/kernelProcess.js';
import type { PageMessage, TaskManagerMessage } from '../shared/taskManagerMessages.js';
import { excerptOf } from './contextView.js';
import type { ContextWatch } from './contextWatch.js';
import type { Fleet } from './fleet.js';
import type { LiveGrants } from './liveGrants.js';
import type { PermissionPrompt } from './permissionPrompt.js';

export interface WishParts {
  readonly kernel: Pick<KernelProcess, 'call' | 'on'>;
  readonly fleet: Fleet;
  readonly grants: Pick<LiveGrants, 'find'>;
  readonly prompt: Pick<PermissionPrompt, 'review' | 'reviewQuestion'>;
  readonly watch: ContextWatch;
  readonly post: (message: TaskManagerMessage) => void;
  /** A command of the extension, by its name. */
  readonly runCommand: (name: string) => Thenable<unknown>;
}

type Wish = Exclude<PageMessage, { type: 'ready' }>;
type BlockWish = Extract<Wish, { id: number }>;
type AgentWish = Exclude<Extract<Wish, { key: string }>, BlockWish>;

/** @throws KernelError of the call that it takes */
export async function grantWish(wish: Wish, parts: WishParts): Promise<void> {
  if ('id' in wish) {
    await aboutBlock(wish, parts);
    return;
  }
  if ('key' in wish) {
    await aboutAgent(wish, parts);
    return;
  }
  switch (wish.type) {
    case 'command':
      if (wish.command === 'clearExited') parts.fleet.clearExited();
      else await parts.runCommand(wish.command);
      break;
    case 'answer':
      await parts.prompt.reviewQuestion(wish.question);
      break;
    case 'revoke': {
      const grant = parts.grants.find(wish.grant);
      if (grant !== undefined) await parts.kernel.call('revoke', { id: grant.id });
      break;
    }
    default:
      wish satisfies never;
  }
}

async function aboutBlock(wish: BlockWish, { kernel, fleet, watch, post }: WishParts): Promise<void> {
  const { key, id } = wish;
  const pid = fleet.findKnown(key)?.row.pid;
  if (pid === undefined) return;
  switch (wish.type) {
    case 'readBlock':
      post({ type: 'block', key, id, ...excerptOf(await kernel.call('contextBlock', { pid, id })) });
      break;
    case 'pinBlock':
      await kernel.call('pinBlock', { pid, id, pinned: wish.pinned });
      watch.look(key);
      break;
    case 'pageBlock':
      await kernel.call('pageBlock', { pid, id, direction: wish.direction });
      watch.look(key);
      break;
    default:
      wish satisfies never;
  }
}

async function aboutAgent(wish: AgentWish, { kernel, fleet, watch, prompt }: WishParts): Promise<void> {
  const { key } = wish;
  if (wish.type === 'watchContext') {
    watch.open(key);
    return;
  }
  if (wish.type === 'unwatchContext') {
    watch.close(key);
    return;
  }
  const pid = fleet.findLive(key)?.row.pid;
  if (pid === undefined) return;
  switch (wish.type) {
    case 'stop':
    case 'pause':
    case 'resume':
      await kernel.call(wish.type, { pid });
      break;
    case 'renice':
      await kernel.call('renice', { pid, nice: wish.nice });
      break;
    case 'reclass':
      await kernel.call('renice', { pid, class: wish.class });
      break;
    case 'review':
      await prompt.review(pid);
      break;
    default:
      wish satisfies never;
  }
}
