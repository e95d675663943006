/**
 * A tool as it lies on disk: a manifest that says what the model is told and what rights the tool may ask for, and
 * the module built from its source. Both are part of this program; both are checked as if they were not.
 */

import { join } from 'node:path';
import { z } from 'zod';
import type { Disk } from '../../hal/disk.js';
import { parseWith, type ToolName } from '../../shared/agentDefinition.js';
import { capabilities, type Capability } from '../../shared/capability.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import { sandboxLimits } from '../../shared/limits.js';
import { compileConfined } from './confine.js';
import { hostFunctionsFor } from './hostCalls.js';
import type { HostFunctionName } from './workerProtocol.js';

const manifestSchema = z.strictObject({
  name: z.string(),
  description: z.string().min(1),
  /** In the order in which the module gets them. */
  parameters: z.record(z.string(), z.strictObject({ description: z.string().min(1) })),
  capabilities: z.array(z.enum(capabilities)).min(1),
});

export interface Tool {
  readonly name: ToolName;
  readonly description: string;
  readonly parameters: Readonly<Record<string, { readonly description: string }>>;
  readonly capabilities: readonly Capability[];
  readonly hostFunctions: readonly HostFunctionName[];
  readonly module: WebAssembly.Module;
}

/** @throws KernelError that names the tool and what is wrong with its manifest or its module. */
export async function loadTool(name: ToolName, toolsDir: string, disk: Disk): Promise<Tool> {
  const folder = join(toolsDir, name);
  try {
    const [manifest, bytes] = await Promise.all([
      disk.readOwnFile(join(folder, 'tool.json')),
      disk.readOwnFile(join(folder, `${name}.wasm`)),
    ]);
    const parsed = parseWith(manifestSchema, JSON.parse(new TextDecoder().decode(manifest)), 'tool.json');
    if (parsed.name !== name) throw new KernelError('badRequest', `tool.json is for ${parsed.name}`);
    const hostFunctions = hostFunctionsFor(parsed.capabilities);
    const module = await compileConfined(bytes, hostFunctions, sandboxLimits);
    return { ...parsed, name, hostFunctions, module };
  } catch (error) {
    throw new KernelError('badRequest', `the tool ${name} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** What is wrong with a call's arguments, in one sentence, or `undefined`. */
export function argumentFault(tool: Tool, given: Readonly<Record<string, unknown>>): string | undefined {
  const wanted = Object.keys(tool.parameters);
  const missing = wanted.filter((name) => !Object.hasOwn(given, name));
  const unknown = Object.keys(given).filter((name) => !wanted.includes(name));
  if (missing.length > 0) return `${tool.name} needs ${missing.join(' and ')}`;
  if (unknown.length > 0) return `${tool.name} takes ${wanted.join(', ')} and no ${unknown.join(', ')}`;
  const notText = wanted.find((name) => typeof given[name] !== 'string');
  return notText === undefined ? undefined : `${notText} of ${tool.name} must be a text`;
}
