/**
 * Reads `amk`'s command line. Pure: it opens no file and writes nothing. Whatever it cannot make sense of is a
 * `badRequest` whose message is one line, for exit status 2.
 */

import { parseGrantSpec, type GrantSpec } from '../shared/capability.js';
import { KernelError } from '../shared/errors.js';
import { readEngine, type EngineChoice } from './engineOptions.js';
import { parseMcp, type McpCommand } from './mcpCommandLine.js';
import { parseModel, type ModelPullCommand } from './modelCommand.js';
import { isControlKind, parseControl, type ControlCommand } from './controlCommandLine.js';
import { parseAudit, type AuditCommand } from './auditCommandLine.js';
import { parseKv, type KvCommand } from './kvCommandLine.js';
import { parseServe, type ServeCommand } from './serveCommandLine.js';
import { isTopic, type HelpTopic } from './help.js';
import { flag, readOptions, text, texts } from './readOptions.js';

export interface RunCommand {
  readonly kind: 'run';
  readonly tasks: readonly string[];
  readonly workspace: string;
  readonly agentsFile: string | undefined;
  /** None: the default agent for every task. One: it for every task. More: one a task, in order. */
  readonly agents: readonly string[];
  readonly engine: EngineChoice;
  readonly grants: readonly GrantSpec[];
  /** Agents of an earlier run in this workspace that had not ended go on. */
  readonly resume: boolean;
  /** Whether agents outlive their kernel. */
  readonly state: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

export type Command =
  | RunCommand
  | ControlCommand
  | AuditCommand
  | ModelPullCommand
  | KvCommand
  | McpCommand
  | ServeCommand
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | { readonly kind: 'version' };

const runOptions = {
  workspace: { ...text, short: 'w' },
  agents: text,
  agent: { ...texts, short: 'a' },
  model: { ...text, short: 'm' },
  gpu: text,
  store: text,
  grant: { ...texts, short: 'g' },
  resume: flag,
  'no-state': flag,
  json: flag,
  verbose: { ...flag, short: 'v' },
  help: { ...flag, short: 'h' },
} as const;

type Parse = (args: readonly string[], cwd: string) => Command;

const programs = {
  run: parseRun,
  serve: parseServe,
  mcp: parseMcp,
  kv: parseKv,
  audit: parseAudit,
  model: parseModel,
} as const satisfies Readonly<Record<string, Parse>>;

const isProgram = (word: string): word is keyof typeof programs => Object.hasOwn(programs, word);

/** @throws KernelError `badRequest` */
export function parseCommandLine(argv: readonly string[], cwd: string): Command {
  const [first, ...rest] = argv;
  switch (first) {
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      return { kind: 'help', topic: isTopic(rest[0]) ? rest[0] : 'amk' };
    case '--version':
    case '-V':
      return { kind: 'version' };
    default:
      if (isControlKind(first)) return parseControl(first, rest);
      if (isProgram(first)) return programs[first](rest, cwd);
      throw new KernelError(
        'badRequest',
        first.startsWith('-') ? `unknown option ${first}` : `unknown command "${first}"`,
      );
  }
}

/** @throws KernelError `badRequest` */
function checkTasks(tasks: readonly string[], { resume, state }: Pick<RunCommand, 'resume' | 'state'>): void {
  if (resume && !state) {
    throw new KernelError('badRequest', '--resume and --no-state contradict each other');
  }
  if (tasks.length === 0 && !resume) throw new KernelError('badRequest', 'there is no task');
  if (tasks.some((task) => task.trim() === '')) throw new KernelError('badRequest', 'a task is empty');
}

function parseRun(args: readonly string[], cwd: string): Command {
  const { values, positionals: tasks } = readOptions(args, runOptions);
  if (values.help) return { kind: 'help', topic: 'run' };
  checkTasks(tasks, { resume: values.resume, state: !values['no-state'] });
  if (values.agent.length > 1 && values.agent.length !== tasks.length) {
    throw new KernelError(
      'badRequest',
      `there are ${values.agent.length} --agent for ${tasks.length} tasks; give one for all or one for each`,
    );
  }
  return {
    kind: 'run',
    tasks,
    workspace: values.workspace ?? cwd,
    agentsFile: values.agents,
    agents: values.agent,
    engine: readEngine(values),
    grants: values.grant.map(parseGrantSpec),
    resume: values.resume,
    state: !values['no-state'],
    json: values.json,
    verbose: values.verbose,
  };
}
