#!/usr/bin/env node
/**
 * The `amk` program: builds what a command needs from this process (streams, files, signals) and ends with its exit
 * status. It never loads a model: the kernel is a process of its own, beside this file.
 */

import { readFile, realpath, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { kernelFolders, modelsFolder, workspaceStateFolder } from '../client/userDirs.js';
import { KernelError } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import { audit } from './audit.js';
import { parseCommandLine, type Command } from './commandLine.js';
import { steer, type ControlHost } from './control.js';
import { isControlKind, type ControlCommand } from './controlCommandLine.js';
import { helpTexts } from './help.js';
import { mcp } from './mcp.js';
import { pullModel, type ModelHost } from './model.js';
import { grants } from './grants.js';
import { kv, type KvHost } from './kv.js';
import { ps } from './ps.js';
import { exitStatus } from './report.js';
import { errorLine, run, type RunHost } from './run.js';
import { serve } from './serve.js';
import { takeStateKey } from './stateKey.js';
import { takeStoreKey } from './storeKey.js';
import { colourStyle, plainStyle, type Style } from './style.js';
import { top } from './top.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function onInterrupt(listener: () => void): Disposable {
  for (const signal of signals) process.on(signal, listener);
  return {
    dispose: () => {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}

function styleOf(output: NodeJS.WriteStream): Style {
  return output.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
    ? colourStyle
    : plainStyle;
}

/** Somebody can watch and answer only where both ends are a terminal that can move its cursor. */
function terminalOf(output: NodeJS.WriteStream): RunHost['terminal'] {
  const { stdin, env } = process;
  if (!stdin.isTTY || !output.isTTY || env['TERM'] === 'dumb') return undefined;
  return { input: stdin, output, style: styleOf(output) };
}

async function realFolder(path: string): Promise<string> {
  const real = await realpath(path).catch((cause: unknown) => {
    throw new KernelError('badRequest', `workspace ${path} does not exist`, { cause });
  });
  if (!(await stat(real)).isDirectory()) {
    throw new KernelError('badRequest', `workspace ${path} is not a folder`);
  }
  return real;
}

const writeResult = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });

const host = (): RunHost => ({
  kernelPath: fileURLToPath(new URL('./kernel.js', import.meta.url)),
  readText: readFileText,
  realFolder,
  writeResult,
  writeProgress: (text) => process.stderr.write(text),
  terminal: terminalOf(process.stderr),
  isResultShown: process.stdout.isTTY,
  onInterrupt,
  exitNow: (status) => process.exit(status),
  controlFolder: kernelFolders()[0],
  stateFolder: (workspace) => workspaceStateFolder(workspace),
  stateKey,
  storeKey: () => takeStoreKey(process.env),
});

const readFileText = (path: string): Promise<string> => readFile(path, 'utf8');
const stateKey = (): Promise<string | undefined> => takeStateKey(process.env, readFileText);

/** Of a pipe or a file the width is the reader's business. */
const wideColumns = 400;

const pageOf = (output: NodeJS.WriteStream): ControlHost['page'] => ({
  columns: output.isTTY ? output.columns : wideColumns,
  style: styleOf(output),
});

const controlHost = (): ControlHost => ({
  kernelFolders: kernelFolders(),
  writeResult,
  writeProgress: (text) => process.stderr.write(text),
  page: pageOf(process.stdout),
  terminal: terminalOf(process.stdout),
  onInterrupt,
});

const kvHost = (): KvHost => ({
  toolPath: fileURLToPath(new URL('./stateTool.js', import.meta.url)),
  realFolder,
  stateFolder: (workspace) => workspaceStateFolder(workspace),
  stateKey,
  writeResult,
  writeProgress: (text) => process.stderr.write(text),
  page: pageOf(process.stdout),
  confirm: terminalOf(process.stderr) === undefined ? undefined : confirm,
  now: Date.now,
});

const modelHost = (): ModelHost => ({
  pullPath: fileURLToPath(new URL('./modelPull.js', import.meta.url)),
  modelsFolder: modelsFolder(),
  writeResult,
  writeProgress: (text) => process.stderr.write(text),
  isWatched: process.stderr.isTTY,
  onInterrupt,
});

/** Asks on stderr; only a plain yes is one. */
async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const isControl = (command: Command): command is ControlCommand => isControlKind(command.kind);

async function execute(command: Command): Promise<number> {
  if (isControl(command)) return executeControl(command);
  switch (command.kind) {
    case 'help':
      await writeResult(helpTexts[command.topic]);
      return exitStatus.ok;
    case 'version':
      await writeResult(`amk ${await readVersion()}\n`);
      return exitStatus.ok;
    case 'run':
      return run(command, host());
    case 'kv':
      return kv(command, kvHost());
    case 'mcp':
      return mcp(command, { ...host(), input: process.stdin });
    case 'serve':
      return serve(command, host());
    case 'audit':
      return audit(command, kvHost());
    case 'modelPull':
      return pullModel(command, modelHost());
    default:
      return command satisfies never;
  }
}

/** What needs a kernel that runs already. */
async function executeControl(command: ControlCommand): Promise<number> {
  switch (command.kind) {
    case 'top':
      return top(command, controlHost());
    case 'ps':
      return ps(command, controlHost());
    case 'grants':
      return grants(command, controlHost());
    case 'stop':
    case 'pause':
    case 'resume':
    case 'renice':
      return steer(command, controlHost());
    default:
      return command satisfies never;
  }
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    return await execute(parseCommandLine(argv, process.cwd()));
  } catch (error) {
    process.stderr.write(errorLine(error));
    if (!(error instanceof KernelError)) return exitStatus.notAnswered;
    if (error.code === 'kernelStopped' || error.code === 'peerGone') return exitStatus.noKernel;
    if (error.code !== 'badRequest') return exitStatus.notAnswered;
    const [command = ''] = argv;
    const hint = Object.hasOwn(helpTexts, command) ? `amk help ${command}` : 'amk --help';
    process.stderr.write(`Try: ${hint}\n`);
    return exitStatus.usage;
  }
}

// A reader that has seen enough closes the pipe: `amk run … | head -1` is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitStatus.ok : exitStatus.notAnswered);
});
// Where the terminal has gone, nobody is left to read about it; the run itself is ended by the hang-up signal.
process.stderr.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2));
