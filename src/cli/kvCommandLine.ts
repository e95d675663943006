/** The part of `amk`'s command line that is about kept attention state. Pure, as all of it is. */

import { KernelError } from '../shared/errors.js';
import { flag, readOptions, text } from './readOptions.js';

interface OfStore {
  readonly kind: 'kv';
  /** Folder whose agents are meant; its store is that of `amk run`. */
  readonly workspace: string;
  /** Folder of the store itself, where it is another one. */
  readonly state: string | undefined;
  readonly json: boolean;
}

export type KvCommand = OfStore &
  (
    | { readonly action: 'ls' | 'verify' }
    | { readonly action: 'show'; readonly key: string }
    | { readonly action: 'rm'; readonly keys: 'all' | readonly string[]; readonly yes: boolean }
    | { readonly action: 'export'; readonly key: string; readonly file: string }
  );

const helpWords = ['--help', '-h'];

const actions = ['ls', 'show', 'verify', 'rm', 'export'] as const;

const common = {
  workspace: { ...text, short: 'w' },
  state: text,
  json: flag,
  help: { ...flag, short: 'h' },
} as const;
const rmOptions = { ...common, all: flag, yes: { ...flag, short: 'y' } } as const;

/** @throws KernelError `badRequest` */
export function parseKv(
  args: readonly string[],
  cwd: string,
): KvCommand | { readonly kind: 'help'; readonly topic: 'kv' } {
  const [word = '--help', ...rest] = args;
  if (helpWords.includes(word)) return { kind: 'help', topic: 'kv' };
  const action = actions.find((each) => each === word);
  if (action === undefined) {
    throw new KernelError('badRequest', `amk kv does ${actions.join(', ')}, not "${word}"`);
  }
  const { values, positionals } = readOptions(rest, action === 'rm' ? rmOptions : common);
  if (values.help) return { kind: 'help', topic: 'kv' };
  const { workspace = cwd, state, json } = values;
  const of = { kind: 'kv', workspace, state, json } as const;
  switch (action) {
    case 'ls':
    case 'verify':
      wordsOf(positionals, []);
      return { ...of, action };
    case 'show': {
      const [key] = wordsOf(positionals, ['KEY']);
      return { ...of, action, key: keyOf(key) };
    }
    case 'rm': {
      const { all, yes } = { all: false, yes: false, ...values };
      return { ...of, action, keys: keysOf(positionals, all), yes };
    }
    case 'export': {
      const [key, file] = wordsOf(positionals, ['KEY', 'FILE']);
      return { ...of, action, key: keyOf(key), file: String(file) };
    }
    default:
      return action satisfies never;
  }
}

/** @throws KernelError `badRequest` unless there is one word for each name */
function wordsOf(words: readonly string[], names: readonly string[]): readonly string[] {
  const missing = names[words.length];
  if (missing !== undefined) throw new KernelError('badRequest', `there is no ${missing}`);
  const unexpected = words[names.length];
  if (unexpected !== undefined) throw new KernelError('badRequest', `unexpected argument "${unexpected}"`);
  return words;
}

function keysOf(words: readonly string[], all: boolean): 'all' | readonly string[] {
  if (all && words.length > 0) throw new KernelError('badRequest', 'give keys or --all, not both');
  if (!all && words.length === 0) {
    throw new KernelError('badRequest', 'there is no KEY; amk kv ls shows them, --all means all');
  }
  return all ? 'all' : words.map(keyOf);
}

function keyOf(word = ''): string {
  if (/^[0-9a-f]{1,64}$/i.test(word)) return word.toLowerCase();
  throw new KernelError('badRequest', `a key has up to 64 digits from 0 to f; "${word}" is none`);
}
