/**
 * Entry point of the state tool, which the command line forks to look at what a kernel keeps of its agents, and to
 * remove some of it. It answers the calls of `shared/stateCalls` over the fork's channel and ends with it. It loads no
 * model and no engine.
 */

import { startOrphanGuard } from '../hal/orphanGuard.js';
import { parseWith } from '../shared/agentDefinition.js';
import { invariant } from '../shared/errors.js';
import { ipcChannel } from '../shared/ipcChannel.js';
import { Peer } from '../shared/peer.js';
import {
  exportAuditSchema,
  exportStateSchema,
  listStateSchema,
  removeStateSchema,
  showAuditSchema,
  showStateSchema,
  verifyAuditSchema,
  type StateCalls,
} from '../shared/stateCalls.js';
import { exportAudit, showAudit, verifyAudit } from './auditStore.js';
import { exportState, listState, removeState, showState, verifyState } from './stateStore.js';

type None = Record<string, never>;

invariant(process.send !== undefined, 'the state tool is forked by a client and has its channel');
startOrphanGuard();
// What a person interrupts is the command, which ends this process when it ends.
process.on('SIGINT', () => undefined);
const peer = new Peer<StateCalls, None, None, None>({
  channel: ipcChannel(process),
  handlers: {
    list: (input) => listState(parseWith(listStateSchema, input, 'list')),
    show: (input) => showState(parseWith(showStateSchema, input, 'show')),
    verify: (input) => verifyState(parseWith(listStateSchema, input, 'verify')),
    remove: (input) => removeState(parseWith(removeStateSchema, input, 'remove')),
    export: (input) => exportState(parseWith(exportStateSchema, input, 'export')),
    auditVerify: (input) => verifyAudit(parseWith(verifyAuditSchema, input, 'verify')),
    auditShow: (input) => showAudit(parseWith(showAuditSchema, input, 'show')),
    auditExport: (input) => exportAudit(parseWith(exportAuditSchema, input, 'export')),
  },
});
peer.onClose(() => process.exit(0));
