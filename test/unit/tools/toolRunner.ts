/**
 * Runs a tool's real module in a real sandbox against a workspace in memory. The host calls are scripted here, with
 * the kernel's own form of requests and replies, so that a test sees the tool and nothing else.
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ToolName } from '../../../src/shared/agentDefinition.js';
import { sandboxLimits } from '../../../src/shared/limits.js';
import { createDisk } from '../../../src/hal/disk.js';
import { decodeFields, encodeFields, textOf } from '../../../src/kernel/sandbox/fields.js';
import { Sandbox, type HostCalls } from '../../../src/kernel/sandbox/sandbox.js';
import { loadTool, type Tool } from '../../../src/kernel/sandbox/toolModule.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const workerUrl = new URL('../../../src/kernel/sandbox/worker.js', import.meta.url);

export type Files = Record<string, string | Uint8Array>;

export interface Said {
  readonly ok: boolean;
  readonly text: string;
}

export interface ProgramEnd {
  readonly status: string;
  readonly note?: string;
  readonly output: string | Uint8Array;
}

/** What the host answers with. */
export interface Script {
  readonly files?: Files;
  /** Replies by path that are refusals or failures. */
  readonly failures?: Readonly<Record<string, string>>;
  readonly program?: (argv: string[]) => ProgramEnd;
  readonly resultBytes?: number;
}

export class ToolRunner {
  readonly #tool: Tool;
  readonly #sandbox: Sandbox;
  /** Host calls of the last tool call, as `fs_read path`. */
  calls: string[] = [];

  private constructor(tool: Tool) {
    this.#tool = tool;
    const { name, module, hostFunctions } = tool;
    this.#sandbox = new Sandbox({ workerUrl, name, module, hostFunctions, limits: sandboxLimits });
  }

  static async start(name: ToolName): Promise<ToolRunner> {
    return new ToolRunner(await loadTool(name, join(root, 'wasm-tools'), createDisk()));
  }

  async call(values: Readonly<Record<string, string>>, script: Script = {}): Promise<Said> {
    this.calls = [];
    await this.#sandbox.ready();
    const given = Object.keys(this.#tool.parameters).map((name) => values[name] ?? '');
    const input = encodeFields([String(script.resultBytes ?? 4096), ...given]);
    const { ok, output } = await this.#sandbox.call(input, this.#host(script), new AbortController().signal);
    return { ok, text: new TextDecoder('utf-8', { fatal: true }).decode(output) };
  }

  end(): Promise<void> {
    return this.#sandbox.end();
  }

  #host(script: Script): HostCalls {
    return ({ name, bytes }) => {
      const fields = decodeFields(bytes);
      const path = textOf(fields[0]);
      this.calls.push(`${name} ${path}`);
      const failure = script.failures?.[path];
      if (failure !== undefined) return Promise.resolve(reply(1, Buffer.from(failure)));
      if (name === 'process_run') return Promise.resolve(runProgram(fields.map(textOf), script));
      return Promise.resolve(answerForPath(name, path, fields[1], script.files ?? {}));
    };
  }
}

function runProgram(argv: string[], { program }: Script): Uint8Array {
  const { status, note, output } = program?.(argv) ?? { status: '0', output: argv.join('|') };
  return reply(0, encodeFields([status, note ?? '', output]));
}

function answerForPath(
  name: 'fs_read' | 'fs_list' | 'fs_write',
  path: string,
  content: Uint8Array | undefined,
  files: Files,
): Uint8Array {
  if (name === 'fs_list') return reply(0, encodeFields(entriesOf(path, files)));
  const file = files[path];
  if (file === undefined) return reply(1, Buffer.from(`error: ${path} does not exist`));
  if (name === 'fs_read') return reply(0, typeof file === 'string' ? Buffer.from(file) : file);
  files[path] = content?.slice() ?? '';
  return reply(0, new Uint8Array());
}

/** Kind and name of each entry of a folder. A path that ends in `/` is an empty folder; in `@`, a link. */
function entriesOf(folder: string, files: Files): string[] {
  const prefix = folder === '.' ? '' : `${folder}/`;
  const kinds = new Map<string, string>();
  for (const path of Object.keys(files)) {
    if (!path.startsWith(prefix) || path === prefix) continue;
    const [name = '', ...rest] = path.slice(prefix.length).split('/');
    if (name.endsWith('@')) kinds.set(name.slice(0, -1), 'l');
    else kinds.set(name, rest.length > 0 ? 'd' : 'f');
  }
  return [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, kind]) => [kind, name]);
}

function reply(status: 0 | 1, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + payload.length);
  bytes[0] = status;
  bytes.set(payload, 1);
  return bytes;
}
