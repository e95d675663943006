/**
 * Entry point of the process that reads attention. The engine's library is called directly here, so a mistake or an
 * abort in it ends this process and no other. It answers one request after the other, and ends with its parent: by the
 * closed channel, or by a guard thread while the engine computes.
 */

import { messageOf } from '../../shared/errors.js';
import { startOrphanGuard } from '../orphanGuard.js';
import { AttentionContext, Unreadable } from './attentionContext.js';
import type { ReaderReport, ReaderRequest, ReaderSetup } from './attentionProtocol.js';
import { openLibrary } from './libllama.js';

let context: AttentionContext | undefined;

async function open(setup: ReaderSetup): Promise<ReaderReport> {
  const library = await openLibrary();
  if (typeof library === 'string') throw new Unreadable(library);
  context = new AttentionContext(library, setup);
  return { kind: 'ready' };
}

async function answer(request: ReaderRequest): Promise<ReaderReport> {
  try {
    if (request.kind === 'open') return await open(request.setup);
    if (context === undefined) return { kind: 'failed', reason: 'nothing is open' };
    return { kind: 'reading', received: context.read(request.state) };
  } catch (error) {
    const kind = error instanceof Unreadable ? 'unavailable' : 'failed';
    return { kind, reason: messageOf(error) };
  }
}

startOrphanGuard();
// Signals meant for the kernel's terminal: this process ends when the kernel does.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => process.exit());

let work = Promise.resolve();
process.on('message', (request: ReaderRequest) => {
  work = work.then(async () => {
    const report = await answer(request);
    if (process.connected) process.send?.(report);
  });
});
