/**
 * What a person can do about an error, by its code. The kernel says what was wrong; the editor knows which button
 * helps. Every error leads somewhere, at the least to the log.
 */

import type { ErrorCode } from '../shared/errors.js';

export interface NextStep {
  readonly label: string;
  /** A command of the editor or of this extension. */
  readonly command: string;
  readonly arguments: readonly unknown[];
}

const step = (label: string, command: string, ...args: readonly unknown[]): NextStep => ({
  label,
  command,
  arguments: args,
});

const showLog = step('Show Log', 'agenticMicrokernel.showLog');
const chooseModel = step('Choose Model File…', 'agenticMicrokernel.chooseModel');
const useEmbeddedModel = step('Use Embedded Model', 'agenticMicrokernel.useEmbeddedModel');
const openSettings = step('Open Settings', 'workbench.action.openSettings', 'agenticMicrokernel');
const restartKernel = step('Restart Kernel', 'agenticMicrokernel.restartKernel');

const reloadWindow = step('Reload Window', 'workbench.action.reloadWindow');
const manageTrust = step('Manage Workspace Trust', 'workbench.trust.manage');

const stepsByCode: Readonly<Record<ErrorCode, readonly NextStep[]>> = {
  badRequest: [openSettings],
  unknownCall: [showLog],
  protocolMismatch: [reloadWindow, showLog],
  peerGone: [restartKernel, showLog],
  cancelled: [],
  denied: [showLog],
  notFound: [showLog],
  modelUnusable: [chooseModel, useEmbeddedModel, showLog],
  outOfMemory: [chooseModel, openSettings, showLog],
  unsafeConfiguration: [openSettings, showLog],
  untrustedWorkspace: [manageTrust],
  limitReached: [showLog],
  deviceFailed: [restartKernel, showLog],
  stateInvalid: [showLog],
  stateMismatch: [showLog],
  storeLocked: [showLog],
  storageFull: [openSettings, showLog],
  storageFailed: [showLog],
  sandboxStopped: [showLog],
  kernelStopped: [restartKernel, showLog],
  bug: [showLog],
};

export function nextStepsFor(code: ErrorCode): readonly NextStep[] {
  return stepsByCode[code];
}
