/** `amk ps`: the agents of all running kernels, once. A kernel that cannot be asked is named and hides no other. */

import { attach } from '../client/attach.js';
import { toErrorData, type ErrorData } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import type { AgentRow, KernelDescriptor } from '../shared/protocol.js';
import { kernelsMeant, type ControlHost } from './control.js';
import type { PsCommand } from './controlCommandLine.js';
import { truncate } from './displayWidth.js';
import { exitStatus } from './report.js';
import { kernelDocument, kernelSegments, plainRows } from './topView.js';

interface Answer {
  readonly kernel: KernelDescriptor;
  readonly rows: readonly AgentRow[];
  readonly error: ErrorData | null;
}

export async function ps(command: PsCommand, host: ControlHost): Promise<number> {
  const kernels = await kernelsMeant(command, host);
  const answers = await Promise.all(kernels.map((kernel) => ask(kernel, command.all)));
  for (const { error } of answers) {
    if (error !== null) host.writeProgress(`amk: ${escapeLines(error.message)}\n`);
  }
  await host.writeResult(command.json ? jsonOf(answers) : textOf(answers, host));
  return answers.every(({ error }) => error === null) ? exitStatus.ok : exitStatus.notAnswered;
}

async function ask(kernel: KernelDescriptor, all: boolean): Promise<Answer> {
  try {
    const attached = await attach(kernel);
    try {
      const rows = await attached.call('list', null);
      return { kernel, rows: rows.filter(({ state }) => all || state !== 'exited'), error: null };
    } finally {
      attached.dispose();
    }
  } catch (error) {
    return { kernel, rows: [], error: toErrorData(error) };
  }
}

function jsonOf(answers: readonly Answer[]): string {
  const kernels = answers.map(({ kernel, rows, error }) => ({
    ...kernelDocument(kernel),
    agents: rows,
    error,
  }));
  return `${JSON.stringify({ kernels }, null, 2)}\n`;
}

function textOf(answers: readonly Answer[], { page: { columns, style } }: ControlHost): string {
  const tables = answers
    .filter(({ error }) => error === null)
    .map(({ kernel, rows }) => {
      const heading = style.bold(truncate(kernelSegments(kernel).join('  '), columns));
      const lines = rows.length === 0 ? [style.dim('no agents')] : plainRows(rows, columns, style);
      return `${[heading, ...lines].join('\n')}\n`;
    });
  return tables.join('\n');
}
