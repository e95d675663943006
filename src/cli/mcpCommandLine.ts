/** Reads the command line of `amk mcp`. Pure; what it cannot make sense of is a `badRequest`. */

import { parseGrantSpec, type GrantSpec } from '../shared/capability.js';
import { KernelError } from '../shared/errors.js';
import { readEngine, type EngineChoice } from './engineOptions.js';
import { flag, readOptions, text, texts } from './readOptions.js';

export interface McpCommand {
  readonly kind: 'mcp';
  readonly workspace: string;
  readonly engine: EngineChoice;
  readonly grants: readonly GrantSpec[];
  readonly verbose: boolean;
}

const options = {
  workspace: { ...text, short: 'w' },
  grant: { ...texts, short: 'g' },
  model: { ...text, short: 'm' },
  gpu: text,
  store: text,
  verbose: { ...flag, short: 'v' },
  help: { ...flag, short: 'h' },
} as const;

/** @throws KernelError `badRequest` */
export function parseMcp(
  args: readonly string[],
  cwd: string,
): McpCommand | { readonly kind: 'help'; readonly topic: 'mcp' } {
  const { values, positionals } = readOptions(args, options);
  if (values.help) return { kind: 'help', topic: 'mcp' };
  const [surplus] = positionals;
  if (surplus !== undefined) throw new KernelError('badRequest', `amk mcp takes no "${surplus}"`);
  return {
    kind: 'mcp',
    workspace: values.workspace ?? cwd,
    engine: readEngine(values),
    grants: values.grant.map(parseGrantSpec),
    verbose: values.verbose,
  };
}
