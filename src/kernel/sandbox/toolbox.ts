/**
 * The tools: what the model is told of them, and one call from its arguments to its text. A call runs in a sandbox
 * of its own under its manifest's rights, and whatever goes wrong in it (a refusal, a fault, a stopped module, a tool
 * that does not exist) is told to the model as text. Only cancellation is thrown.
 */

import type { Disk } from '../../hal/disk.js';
import type { ToolSignature } from '../../hal/driver.js';
import type { Processes } from '../../hal/process.js';
import { sandboxedTools, type ToolName } from '../../shared/agentDefinition.js';
import type { Capability } from '../../shared/capability.js';
import { KernelError } from '../../shared/errors.js';
import { sandboxLimits } from '../../shared/limits.js';
import type { Decision, LogLevel } from '../../shared/protocol.js';
import { ActRecord } from '../audit/actRecord.js';
import { canonical, digestOf, type Audit } from '../audit/audit.js';
import { AccessRecord } from './accessRecord.js';
import { createInvocation, type Broker, type Invocation } from './broker.js';
import { encodeFields } from './fields.js';
import { createHostCalls, inWords } from './hostCalls.js';
import { SandboxPool } from './pool.js';
import type { CallResult, SandboxLimits } from './sandbox.js';
import { argumentFault, loadTool, type Tool } from './toolModule.js';

export interface ToolInvocation {
  readonly pid: number;
  readonly agent: string;
  readonly task: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly workspaceRoot: string;
  /** Bytes of result text that the agent can afford. */
  readonly resultBytes: number;
}

export interface ToolOutcome {
  /** What the model is told. */
  readonly text: string;
  /** Whether the tool did what it was asked for. */
  readonly ok: boolean;
  readonly capability: Capability | null;
  readonly decision: Decision;
  readonly ms: number;
}

export interface Toolbox extends AsyncDisposable {
  signatures(names: readonly ToolName[]): ToolSignature[];
  /** @throws KernelError `cancelled` when the signal ended the call, and nothing else that is expected. */
  invoke(call: ToolInvocation, signal: AbortSignal): Promise<ToolOutcome>;
}

export interface ToolboxOptions {
  /** Absolute path of the folder with one folder a tool. */
  readonly toolsDir: string;
  /** Bundle of `worker.ts`. */
  readonly workerUrl: URL;
  readonly disk: Disk;
  readonly processes: Processes;
  readonly broker: Broker;
  readonly audit: Audit;
  readonly log: (level: LogLevel, message: string) => void;
  /** What a module may use; {@link sandboxLimits} where it is not given. */
  readonly limits?: SandboxLimits;
}

interface Parts extends ToolboxOptions {
  readonly limits: SandboxLimits;
  readonly pool: SandboxPool;
}

/** Room for an error message, whatever the agent can afford. */
const minResultBytes = 256;

/** @throws KernelError that names the first tool that cannot be used, and why. */
export async function createToolbox(options: ToolboxOptions): Promise<Toolbox> {
  const loaded = await Promise.all(
    sandboxedTools.map((name) => loadTool(name, options.toolsDir, options.disk)),
  );
  const tools = new Map<string, Tool>(loaded.map((tool) => [tool.name, tool]));
  const pool = new SandboxPool(sandboxLimits);
  const parts: Parts = { limits: sandboxLimits, ...options, pool };
  return {
    signatures: (names) =>
      names.flatMap((name) => {
        const tool = tools.get(name);
        return tool === undefined ? [] : [signatureOf(tool)];
      }),
    invoke: async (call, signal) => {
      const start = performance.now();
      const record = new AccessRecord();
      const said = await audited(call, parts, () =>
        perform(call, tools.get(call.tool), record, parts, signal),
      );
      return { ...said, ...record.summary(), ms: Math.round(performance.now() - start) };
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

function signatureOf({ name, description, parameters }: Tool): ToolSignature {
  return { name, description, parameters };
}

type Said = Pick<ToolOutcome, 'text' | 'ok'>;

/** A call that cannot be written down is not made, which the model is told. */
async function audited(
  { pid, agent, tool, arguments: given }: ToolInvocation,
  { audit }: Parts,
  work: () => Promise<Said>,
): Promise<Said> {
  const digest = digestOf(canonical(given));
  const act = new ActRecord(audit, { kind: 'toolCall', pid, agent, tool, what: tool, digest });
  try {
    await act.begin();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { ok: false, text: inWords(error) };
  }
  try {
    const said = await work();
    act.end(
      said.ok
        ? undefined
        : new KernelError(
            said.text.startsWith('denied: ') ? 'denied' : 'badRequest',
            'the model was told why',
          ),
    );
    return said;
  } catch (error) {
    act.end(error);
    throw error;
  }
}

async function perform(
  call: ToolInvocation,
  tool: Tool | undefined,
  record: AccessRecord,
  parts: Parts,
  signal: AbortSignal,
): Promise<Said> {
  if (tool === undefined) return failed(`there is no tool ${call.tool}`);
  const fault = argumentFault(tool, call.arguments);
  if (fault !== undefined) return failed(fault);
  const { pid, agent, task } = call;
  const invocation = createInvocation({ pid, agent, task, tool: tool.name, workspace: call.workspaceRoot });
  const revocation = new AbortController();
  let revoked: Capability | undefined;
  const listener = parts.broker.onDidRevoke((grant) => {
    if (!invocation.relied.has(grant.id)) return;
    revoked = grant.capability;
    revocation.abort();
  });
  try {
    const either = AbortSignal.any([signal, revocation.signal]);
    return saidBy(await execute(call, tool, invocation, record, parts, either), call.resultBytes);
  } catch (error) {
    if (!(error instanceof KernelError) || error.code === 'bug' || signal.aborted) throw error;
    if (revoked !== undefined) {
      record.note(revoked, 'denied');
      return { ok: false, text: `denied: no grant for ${revoked}` };
    }
    if (error.code !== 'sandboxStopped') return { ok: false, text: inWords(error) };
    parts.log('warn', `${tool.name}, called by agent ${pid}, was stopped: ${error.message}`);
    return failed(`${tool.name} was stopped: ${error.message}`);
  } finally {
    listener.dispose();
  }
}

async function execute(
  call: ToolInvocation,
  tool: Tool,
  invocation: Invocation,
  record: AccessRecord,
  parts: Parts,
  signal: AbortSignal,
): Promise<CallResult> {
  const { disk, processes, broker, audit, pool, workerUrl, limits } = parts;
  const { name, module, hostFunctions, capabilities } = tool;
  const workspace = await disk.openWorkspace(call.workspaceRoot);
  const host = createHostCalls({
    ...{ workspace, processes, broker, audit, invocation, record, capabilities, signal },
  });
  const values = Object.keys(tool.parameters).map((parameter) => call.arguments[parameter] ?? '');
  const input = encodeFields([String(Math.max(minResultBytes, call.resultBytes)), ...values]);
  const options = { workerUrl, name, module, hostFunctions, limits };
  return await pool.use(options, signal, (sandbox) => sandbox.call(input, host, signal));
}

const failed = (why: string): Said => ({ ok: false, text: `error: ${why}` });

/** The module's text, which it was told to keep short; one that did not is cut at the end of a line. */
function saidBy({ ok, output }: CallResult, resultBytes: number): Said {
  const most = Math.max(minResultBytes, resultBytes);
  const text = new TextDecoder().decode(output.length <= most ? output : cutAtLine(output.subarray(0, most)));
  if (ok || /^(?:error|denied): /.test(text)) return { ok, text };
  return failed(text === '' ? 'the tool failed and did not say why' : text);
}

function cutAtLine(bytes: Uint8Array): Uint8Array {
  const end = bytes.lastIndexOf(0x0a);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
