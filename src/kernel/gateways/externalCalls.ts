/**
 * The one table of what programs outside can ask of the kernel. The MCP gateway's tools and the reference page
 * are made from it, so that none of them can offer a call that another one does not know.
 */

import { KernelError } from '../../shared/errors.js';
import { agentCalls } from './agentCalls.js';
import type { CallContext, ExternalCall } from './call.js';
import { grantCalls, kernelCalls, llmCalls } from './kernelCalls.js';
import { contextCalls, kvCalls } from './stateCalls.js';
import { toolCalls } from './toolCalls.js';

/** Raised with every change of what a call means. */
export const externalCallsVersion = '1.0.0';

export const externalCalls: readonly ExternalCall[] = [
  ...agentCalls,
  ...llmCalls,
  ...contextCalls,
  ...toolCalls,
  ...kvCalls,
  ...grantCalls,
  ...kernelCalls,
];

const byName = new Map<string, ExternalCall>(externalCalls.map((call) => [call.name, call]));

/**
 * Carries out one call.
 * @throws KernelError `unknownCall`, `badRequest`, and whatever the work fails with
 */
export async function callExternally(
  name: string,
  input: unknown,
  context: CallContext,
): Promise<Readonly<Record<string, unknown>>> {
  const call = byName.get(name);
  if (call === undefined) throw new KernelError('unknownCall', `there is no call "${name}"`);
  return await call.handle(input, context);
}
