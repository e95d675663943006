/**
 * What a tool module can ask of the kernel, and all of it: read a file, list a folder, replace a file, run a
 * program. Each call looks where the path or the program really is, then begins with `broker.require` and its line in
 * the audit log, and only then touches content. What goes wrong is a reply, in the words that the model is told.
 */

import { constants } from 'node:os';
import type { Workspace } from '../../hal/disk.js';
import type { CommandExit, Processes } from '../../hal/process.js';
import { scopeOf, type Access, type Capability } from '../../shared/capability.js';
import { KernelError } from '../../shared/errors.js';
import { commandOutputBytes, commandTimeoutMs, maxFileBytes, maxWalkEntries } from '../../shared/limits.js';
import { ActRecord } from '../audit/actRecord.js';
import { digestOf, type Audit } from '../audit/audit.js';
import type { AccessRecord } from './accessRecord.js';
import { DeniedError, type Broker, type Invocation } from './broker.js';
import { decodeFields, encodeFields, textOf } from './fields.js';
import type { HostCalls } from './sandbox.js';
import type { HostFunctionName } from './workerProtocol.js';

/** The host functions that a tool with these capabilities can import. */
export function hostFunctionsFor(capabilities: readonly Capability[]): HostFunctionName[] {
  const functions: Record<Capability, readonly HostFunctionName[]> = {
    'fs.read': ['fs_read', 'fs_list'],
    'fs.write': ['fs_read', 'fs_write'],
    'process.run': ['process_run'],
  };
  return [...new Set(capabilities.flatMap((capability) => functions[capability]))];
}

export interface HostParts {
  readonly workspace: Workspace;
  readonly processes: Processes;
  readonly broker: Broker;
  readonly invocation: Invocation;
  readonly record: AccessRecord;
  readonly capabilities: readonly Capability[];
  readonly audit: Audit;
  readonly signal: AbortSignal;
}

/** The parts, and the one host call that they are used for now. */
interface Call extends HostParts {
  readonly act: ActRecord;
}

/** The host calls of one tool call. What it has read is remembered, so that it replaces nothing it has not seen. */
export function createHostCalls(parts: HostParts): HostCalls {
  const seen = new Map<string, Uint8Array>();
  const functions: Record<HostFunctionName, (fields: Uint8Array[], call: Call) => Promise<Uint8Array>> = {
    fs_read: ([path], call) => read(textOf(path), seen, call),
    fs_list: ([path], call) => list(textOf(path), call),
    fs_write: ([path, bytes], call) => write(textOf(path), bytes, seen, call),
    process_run: (words, call) => run(words.map(textOf), call),
  };
  const { pid, agent, tool } = parts.invocation;
  return async ({ name, bytes }) => {
    const facts = { kind: 'hostCall', pid, agent, tool, what: name, digest: digestOf(bytes) } as const;
    const act = new ActRecord(parts.audit, facts);
    try {
      const result = await functions[name](decodeFields(bytes), { ...parts, act });
      act.end();
      return reply(0, result);
    } catch (error) {
      act.end(error);
      if (!(error instanceof KernelError) || error.code === 'cancelled' || error.code === 'bug') throw error;
      return reply(1, Buffer.from(inWords(error)));
    }
  };
}

/** What the model is told of a refusal or a failure: one line, or two when a person gave a reason. */
export function inWords(error: KernelError): string {
  if (!(error instanceof DeniedError)) return `error: ${oneLine(error.message)}`;
  return error.reason === ''
    ? `denied: ${error.message}`
    : `denied: ${error.message}\n${oneLine(error.reason)}`;
}

/** A path can hold line breaks, and a line of a result must not look like another one. */
const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');

function reply(status: 0 | 1, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + payload.length);
  bytes[0] = status;
  bytes.set(payload, 1);
  return bytes;
}

async function require(access: Access, target: string, call: Call): Promise<void> {
  const { broker, invocation, record, signal, act } = call;
  try {
    const decision = await broker.require(invocation, access, target, signal);
    await act.begin({ scope: scopeOf(access), result: decision });
    record.note(access.capability, decision);
  } catch (error) {
    if (error instanceof DeniedError) record.note(access.capability, 'denied');
    throw error;
  }
}

/** A tool that only writes reads what it is about to change: that is part of writing, and one question. */
async function read(path: string, seen: Map<string, Uint8Array>, parts: Call): Promise<Uint8Array> {
  const target = await parts.workspace.resolve(path);
  if (target.kind !== 'file') throw new KernelError('badRequest', `${path} is a folder`);
  const capability = parts.capabilities.includes('fs.read') ? 'fs.read' : 'fs.write';
  await require({ capability, path: target.relative }, target.real, parts);
  const bytes = await parts.workspace.readFile(target, maxFileBytes);
  if (parts.capabilities.includes('fs.write')) seen.set(target.real, bytes);
  return bytes;
}

async function list(path: string, parts: Call): Promise<Uint8Array> {
  const target = await parts.workspace.resolve(path);
  if (target.kind !== 'folder') throw new KernelError('badRequest', `${path} is not a folder`);
  await require({ capability: 'fs.read', path: target.relative }, target.real, parts);
  const entries = await parts.workspace.readFolder(target, maxWalkEntries);
  const letters = { file: 'f', folder: 'd', link: 'l', other: 'o' } as const;
  return encodeFields(entries.flatMap(({ name, kind }) => [letters[kind], name]));
}

async function write(
  path: string,
  bytes: Uint8Array | undefined,
  seen: Map<string, Uint8Array>,
  parts: Call,
): Promise<Uint8Array> {
  const target = await parts.workspace.resolve(path);
  await require({ capability: 'fs.write', path: target.relative }, target.real, parts);
  const expected = seen.get(target.real);
  if (bytes === undefined || expected === undefined) {
    throw new KernelError('badRequest', `${path} was not read before it is written`);
  }
  if (bytes.length > maxFileBytes) {
    throw new KernelError('limitReached', `${path} would have more than ${maxFileBytes} bytes`);
  }
  await parts.workspace.replaceFile(target, bytes, expected);
  seen.set(target.real, bytes);
  return new Uint8Array();
}

/** Three fields: the exit status, what there is to say about it, and the output. */
async function run(argv: string[], parts: Call): Promise<Uint8Array> {
  const { workspace, processes, signal } = parts;
  if (argv.some((word) => word.includes('\0'))) {
    throw new KernelError('badRequest', 'the command holds a NUL character');
  }
  const executable = await processes.resolve(argv[0] ?? '', workspace);
  const target = scopeOf({ capability: 'process.run', argv: [executable.real, ...argv.slice(1)] });
  await require({ capability: 'process.run', argv, executable: executable.real }, target, parts);
  const limits = { timeoutMs: commandTimeoutMs, outputBytes: commandOutputBytes };
  const result = await processes.run({ executable, argv, cwd: workspace.root, ...limits }, signal);
  const { status, note } = inShellTerms(result.exit);
  return encodeFields([String(status), note, result.output]);
}

/** As a shell counts: 124 for a timeout, 128 and the signal's number for a signal. */
function inShellTerms(exit: CommandExit): { readonly status: number; readonly note: string } {
  switch (exit.kind) {
    case 'code':
      return { status: exit.code, note: '' };
    case 'timeout':
      return { status: 124, note: `stopped after ${commandTimeoutMs / 1000} s` };
    case 'signal': {
      const number = Object.entries(constants.signals).find(([name]) => name === exit.signal)?.[1] ?? 0;
      return { status: 128 + number, note: `ended by ${exit.signal}` };
    }
    default:
      return exit satisfies never;
  }
}
