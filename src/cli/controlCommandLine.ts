/** The part of `amk`'s command line that looks at running kernels and steers their agents. Pure, as all of it is. */

import { niceSchema, priorityClasses, type PriorityClass } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import type { Pid } from '../shared/protocol.js';
import { flag, readOptions, text } from './readOptions.js';

interface OfKernel {
  /** Process number of the kernel that is meant, where several run. */
  readonly kernel: number | undefined;
}

export interface TopCommand extends OfKernel {
  readonly kind: 'top';
  readonly json: boolean;
  readonly once: boolean;
  readonly intervalMs: number;
}

export interface PsCommand extends OfKernel {
  readonly kind: 'ps';
  readonly json: boolean;
  /** Those that have ended as well. */
  readonly all: boolean;
}

export interface SteerCommand extends OfKernel {
  readonly kind: 'stop' | 'pause' | 'resume';
  readonly pids: readonly Pid[];
}

export interface ReniceCommand extends OfKernel {
  readonly kind: 'renice';
  readonly pids: readonly Pid[];
  readonly nice: number | undefined;
  readonly class: PriorityClass | undefined;
}

export interface GrantsCommand extends OfKernel {
  readonly kind: 'grants';
  readonly json: boolean;
  /** Numbers of grants to take back; none: they are listed. */
  readonly revoke: readonly number[];
}

export type ControlCommand = GrantsCommand | TopCommand | PsCommand | SteerCommand | ReniceCommand;
export type ControlKind = ControlCommand['kind'];

interface HelpWanted {
  readonly kind: 'help';
  readonly topic: ControlKind;
}

const common = { kernel: { ...text, short: 'k' }, help: { ...flag, short: 'h' } } as const;
const topOptions = { ...common, json: flag, once: flag, interval: { ...text, short: 'i' } } as const;
const grantsOptions = { ...common, json: flag } as const;
const psOptions = { ...common, json: flag, all: { ...flag, short: 'a' } } as const;
const reniceOptions = { ...common, nice: { ...text, short: 'n' }, class: { ...text, short: 'c' } } as const;

const defaultIntervalMs = 1_000;

type Parse = (args: readonly string[]) => ControlCommand | HelpWanted;

const parsers: Readonly<Record<ControlKind, Parse>> = {
  top: parseTop,
  ps: parsePs,
  stop: (args) => parseSteer('stop', args),
  pause: (args) => parseSteer('pause', args),
  resume: (args) => parseSteer('resume', args),
  renice: parseRenice,
  grants: parseGrants,
};

export const isControlKind = (word: string | undefined): word is ControlKind =>
  word !== undefined && Object.hasOwn(parsers, word);

/** @throws KernelError `badRequest` */
export const parseControl = (kind: ControlKind, args: readonly string[]): ControlCommand | HelpWanted =>
  parsers[kind](args);

function parseTop(args: readonly string[]): TopCommand | HelpWanted {
  const { values, positionals } = readOptions(args, topOptions);
  if (values.help) return { kind: 'help', topic: 'top' };
  refuseWords(positionals);
  const intervalMs =
    values.interval === undefined
      ? defaultIntervalMs
      : numberIn('--interval', values.interval, 100, 3_600_000);
  const { json, once } = values;
  return { kind: 'top', kernel: kernelOf(values.kernel), json, once, intervalMs };
}

function parsePs(args: readonly string[]): PsCommand | HelpWanted {
  const { values, positionals } = readOptions(args, psOptions);
  if (values.help) return { kind: 'help', topic: 'ps' };
  refuseWords(positionals);
  return { kind: 'ps', kernel: kernelOf(values.kernel), json: values.json, all: values.all };
}

function parseGrants(args: readonly string[]): GrantsCommand | HelpWanted {
  const { values, positionals } = readOptions(args, grantsOptions);
  if (values.help) return { kind: 'help', topic: 'grants' };
  const [action, ...ids] = positionals;
  if (action !== undefined && action !== 'revoke') {
    throw new KernelError('badRequest', `amk grants does revoke, not "${action}"`);
  }
  if (action === 'revoke' && ids.length === 0) {
    throw new KernelError('badRequest', 'there is no grant number; amk grants shows them');
  }
  const revoke = ids.map((word) => numberIn('a grant number', word, 1, Number.MAX_SAFE_INTEGER));
  return { kind: 'grants', kernel: kernelOf(values.kernel), json: values.json, revoke };
}

function parseSteer(kind: SteerCommand['kind'], args: readonly string[]): SteerCommand | HelpWanted {
  const { values, positionals } = readOptions(args, common);
  if (values.help) return { kind: 'help', topic: kind };
  return { kind, kernel: kernelOf(values.kernel), pids: pidsOf(positionals) };
}

function parseRenice(args: readonly string[]): ReniceCommand | HelpWanted {
  const { values, positionals } = readOptions(joinNegatives(args), reniceOptions);
  if (values.help) return { kind: 'help', topic: 'renice' };
  const pids = pidsOf(positionals);
  const wanted = priorityClasses.find((each) => each === values.class);
  if (values.class !== undefined && wanted === undefined) {
    throw new KernelError(
      'badRequest',
      `--class is one of ${priorityClasses.join(', ')}, not "${values.class}"`,
    );
  }
  if (values.nice === undefined && wanted === undefined) {
    throw new KernelError('badRequest', 'give --nice, --class or both');
  }
  const { minValue, maxValue } = niceSchema;
  const nice =
    values.nice === undefined ? undefined : numberIn('--nice', values.nice, minValue ?? 0, maxValue ?? 0);
  return { kind: 'renice', kernel: kernelOf(values.kernel), pids, nice, class: wanted };
}

/** `--nice -5` is what everybody types; without this it would be an option named 5. */
function joinNegatives(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined.at(-1);
    if (/^-\d+$/.test(arg) && before === '--nice') joined.push(`${joined.pop() ?? ''}=${arg}`);
    else if (/^-\d+$/.test(arg) && before === '-n') joined.push(`${joined.pop() ?? ''}${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function pidsOf(words: readonly string[]): Pid[] {
  if (words.length === 0) throw new KernelError('badRequest', 'there is no agent number; amk ps shows them');
  return words.map((word) => numberIn('an agent number', word, 1, Number.MAX_SAFE_INTEGER));
}

const kernelOf = (word: string | undefined): number | undefined =>
  word === undefined ? undefined : numberIn('--kernel', word, 1, Number.MAX_SAFE_INTEGER);

function numberIn(what: string, word: string, least: number, most: number): number {
  const value = /^-?\d{1,16}$/.test(word) ? Number(word) : NaN;
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `a number from ${least} on` : `from ${least} to ${most}`;
  throw new KernelError('badRequest', `${what} is ${range}, not "${word}"`);
}

function refuseWords([word]: readonly string[]): void {
  if (word !== undefined) throw new KernelError('badRequest', `unexpected argument "${word}"`);
}
