/** Where attention state is, in all and of one agent. It looks and changes nothing. */

import type { InferenceDriver } from '../hal/driver.js';
import type { AgentRow, StateTiers } from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';
import type { DiskTier } from './diskTier.js';
import type { SnapshotStore } from './kv/store.js';
import type { SwapSpace } from './kv/swapSpace.js';

export function tiersOf(
  { info, slots }: Pick<InferenceDriver, 'info' | 'slots'>,
  swap: Pick<SwapSpace, 'bytes' | 'quotaBytes'>,
  store: Pick<SnapshotStore, 'bytes' | 'quotaBytes'> | undefined,
): StateTiers {
  const { kvBytesPerToken, contextTokens } = info;
  const resident = slots.reduce((sum, { length }) => sum + length, 0);
  return {
    slots: {
      bytes: resident * kvBytesPerToken,
      quotaBytes: slots.length * contextTokens * kvBytesPerToken,
    },
    memory: { bytes: swap.bytes, quotaBytes: swap.quotaBytes },
    disk: { bytes: store?.bytes ?? 0, quotaBytes: store?.quotaBytes ?? 0 },
  };
}

/** Of one that has no slot. */
export function tierOf(
  agent: Agent,
  swap: Pick<SwapSpace, 'of'>,
  snapshots: Pick<DiskTier, 'keeps'> | undefined,
): AgentRow['tier'] {
  if (swap.of(agent) !== undefined) return 'memory';
  return snapshots?.keeps(agent) === true ? 'disk' : 'none';
}
