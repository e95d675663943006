/** Reads the command line of `amk serve`. Pure; what it cannot make sense of is a `badRequest`. */

import { parseGrantSpec, type GrantSpec } from '../shared/capability.js';
import { KernelError } from '../shared/errors.js';
import { readEngine, type EngineChoice } from './engineOptions.js';
import { flag, readOptions, text, texts } from './readOptions.js';

export interface ServeCommand {
  readonly kind: 'serve';
  readonly workspace: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Names of the programs that get a token. */
  readonly clients: readonly string[];
  readonly engine: EngineChoice;
  readonly grants: readonly GrantSpec[];
  readonly json: boolean;
  readonly verbose: boolean;
}

const options = {
  workspace: { ...text, short: 'w' },
  port: { ...text, short: 'p' },
  client: { ...texts, short: 'c' },
  grant: { ...texts, short: 'g' },
  model: { ...text, short: 'm' },
  gpu: text,
  store: text,
  json: flag,
  verbose: { ...flag, short: 'v' },
  help: { ...flag, short: 'h' },
} as const;

/** @throws KernelError `badRequest` */
export function parseServe(
  args: readonly string[],
  cwd: string,
): ServeCommand | { readonly kind: 'help'; readonly topic: 'serve' } {
  const { values, positionals } = readOptions(args, options);
  if (values.help) return { kind: 'help', topic: 'serve' };
  const [surplus] = positionals;
  if (surplus !== undefined) throw new KernelError('badRequest', `amk serve takes no "${surplus}"`);
  return {
    kind: 'serve',
    workspace: values.workspace ?? cwd,
    port: readPort(values.port ?? '0'),
    clients: readClients(values.client),
    engine: readEngine(values),
    grants: values.grant.map(parseGrantSpec),
    json: values.json,
    verbose: values.verbose,
  };
}

function readPort(word: string): number {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : NaN;
  if (port <= 65_535) return port;
  throw new KernelError('badRequest', `--port is a number up to 65535, not "${word}"`);
}

function readClients(names: readonly string[]): readonly string[] {
  if (names.length === 0) return ['client'];
  const wrong = names.find((name) => !/^[A-Za-z0-9][\w.-]{0,31}$/.test(name));
  if (wrong !== undefined) throw new KernelError('badRequest', `--client is a word, not "${wrong}"`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new KernelError('badRequest', `--client ${twice} is there twice`);
  return names;
}
