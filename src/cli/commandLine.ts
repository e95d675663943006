/**
 * Reads `amk`'s command line. Pure: it opens no file and writes nothing. Whatever it cannot make sense of is a
 * `badRequest` whose message is one line, for exit status 2.
 */

import { parseArgs } from 'node:util';
import { parseGrantSpec, type GrantSpec } from '../shared/capability.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { gpuChoices, type EngineSettings } from '../shared/settings.js';

export interface RunCommand {
  readonly kind: 'run';
  readonly tasks: readonly string[];
  readonly workspace: string;
  readonly agentsFile: string | undefined;
  /** None: the default agent for every task. One: it for every task. More: one a task, in order. */
  readonly agents: readonly string[];
  readonly engine: Pick<EngineSettings, 'model' | 'gpu'>;
  readonly grants: readonly GrantSpec[];
  readonly json: boolean;
  readonly verbose: boolean;
}

export type Command =
  RunCommand | { readonly kind: 'help'; readonly topic: 'amk' | 'run' } | { readonly kind: 'version' };

const flag = { type: 'boolean', default: false } as const;
const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true, default: [] as string[] } as const;

const runOptions = {
  workspace: { ...text, short: 'w' },
  agents: text,
  agent: { ...texts, short: 'a' },
  model: { ...text, short: 'm' },
  gpu: text,
  grant: { ...texts, short: 'g' },
  json: flag,
  verbose: { ...flag, short: 'v' },
  help: { ...flag, short: 'h' },
} as const;

/** @throws KernelError `badRequest` */
export function parseCommandLine(argv: readonly string[], cwd: string): Command {
  const [first, ...rest] = argv;
  switch (first) {
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      return { kind: 'help', topic: rest[0] === 'run' ? 'run' : 'amk' };
    case '--version':
    case '-V':
      return { kind: 'version' };
    case 'run':
      return parseRun(rest, cwd);
    default:
      throw new KernelError(
        'badRequest',
        first.startsWith('-') ? `unknown option ${first}` : `unknown command "${first}"`,
      );
  }
}

function parseRun(args: readonly string[], cwd: string): Command {
  const { values, positionals: tasks } = readOptions(args);
  if (values.help) return { kind: 'help', topic: 'run' };
  if (tasks.length === 0) throw new KernelError('badRequest', 'there is no task');
  if (tasks.some((task) => task.trim() === '')) throw new KernelError('badRequest', 'a task is empty');
  if (values.agent.length > 1 && values.agent.length !== tasks.length) {
    throw new KernelError(
      'badRequest',
      `there are ${values.agent.length} --agent for ${tasks.length} tasks; give one for all or one for each`,
    );
  }
  const gpu = gpuChoices.find((choice) => choice === (values.gpu ?? 'auto'));
  if (gpu === undefined) {
    throw new KernelError(
      'badRequest',
      `--gpu is one of ${gpuChoices.join(', ')}, not "${values.gpu ?? ''}"`,
    );
  }
  return {
    kind: 'run',
    tasks,
    workspace: values.workspace ?? cwd,
    agentsFile: values.agents,
    agents: values.agent,
    engine: { model: values.model ?? '', gpu },
    grants: values.grant.map(parseGrantSpec),
    json: values.json,
    verbose: values.verbose,
  };
}

function readOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: runOptions, allowPositionals: true });
  } catch (error) {
    // The first sentence says what is wrong; the others explain how Node reads options.
    const [sentence = ''] = messageOf(error).split(/\.\s/);
    throw new KernelError(
      'badRequest',
      sentence.replace(/^\w/, (letter) => letter.toLowerCase()),
      {
        cause: error,
      },
    );
  }
}
