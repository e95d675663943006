/**
 * How a command is found and started, as pure rules: where its program may lie, what environment it gets, and how
 * Windows batch files are called. Nothing here expands, splits or interprets what the words of a command say.
 */

import { win32 } from 'node:path';
import { KernelError } from '../shared/errors.js';
import type { PathRules } from './workspacePath.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What programs need to work at all. Everything else, and with it every secret in a variable, stays behind. */
const kept: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'WINDIR', 'COMSPEC', 'PATHEXT', 'TEMP', 'TMP', 'USERNAME', 'USERPROFILE'],
  ...['HOMEDRIVE', 'HOMEPATH', 'APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA', 'PROGRAMFILES', 'PROGRAMFILES(X86)'],
  ...['NUMBER_OF_PROCESSORS', 'PROCESSOR_ARCHITECTURE', 'OS'],
]);

/** The environment of a command: plain output, and only what it needs. */
export function commandEnvironment(own: Environment, rules: PathRules): Record<string, string> {
  const environment: Record<string, string> = { NO_COLOR: '1', TERM: 'dumb' };
  for (const [name, value] of Object.entries(own)) {
    const key = rules === win32 ? name.toUpperCase() : name;
    if (value !== undefined && (kept.has(key) || key.startsWith('LC_'))) environment[name] = value;
  }
  return environment;
}

/** A variable's value; Windows does not tell upper from lower case in names. */
function valueOf(name: string, environment: Environment, rules: PathRules): string {
  if (rules !== win32) return environment[name] ?? '';
  const found = Object.keys(environment).find((each) => each.toUpperCase() === name);
  return (found === undefined ? undefined : environment[found]) ?? '';
}

/** Whether a command's first word is a path rather than a name to look for in PATH. */
export function isPathLike(word: string, rules: PathRules): boolean {
  return word.includes('/') || (rules === win32 && (word.includes('\\') || word.includes(':')));
}

/**
 * Where the program may lie, in the order to look. A path stands for itself. A name is looked for in the absolute
 * folders of PATH only: an empty or relative one would mean the folder that the agent works in.
 */
export function programPaths(word: string, environment: Environment, rules: PathRules): string[] {
  const folders = valueOf('PATH', environment, rules)
    .split(rules.delimiter)
    .filter((folder) => rules.isAbsolute(folder));
  const paths = isPathLike(word, rules) ? [word] : folders.map((folder) => rules.join(folder, word));
  if (rules !== win32 || rules.extname(word) !== '') return paths;
  const endings = valueOf('PATHEXT', environment, rules) || '.COM;.EXE;.BAT;.CMD';
  return paths.flatMap((path) => endings.split(';').map((ending) => path + ending.toLowerCase()));
}

export interface Invocation {
  readonly file: string;
  readonly argv: readonly string[];
  /** The arguments are one finished command line (Windows only). */
  readonly verbatim: boolean;
}

/**
 * How to start a program with these words. A Windows batch file has to go through the command interpreter, which
 * reads some characters as commands even inside quotes: words with such characters are refused.
 */
export function invocationOf(
  file: string,
  argv: readonly string[],
  environment: Environment,
  rules: PathRules,
): Invocation {
  const isBatch = rules === win32 && /\.(?:bat|cmd)$/i.test(file);
  if (!isBatch) return { file, argv, verbatim: false };
  const words = [file, ...argv.slice(1)];
  const unsafe = words.find((word) => /["%!^&|<>()\r\n]/.test(word));
  if (unsafe !== undefined) {
    throw new KernelError(
      'badRequest',
      `the batch file ${argv[0] ?? file} cannot be given the word ${unsafe}`,
    );
  }
  const line = words.map((word) => `"${word}"`).join(' ');
  // Not by COMSPEC, which may name anything.
  const interpreter = win32.join(
    valueOf('SYSTEMROOT', environment, rules) || 'C:\\Windows',
    'System32',
    'cmd.exe',
  );
  return { file: interpreter, argv: [interpreter, '/d', '/v:off', '/s', '/c', `"${line}"`], verbatim: true };
}
