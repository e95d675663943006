// The reference page of the calls from outside, made from their table. Pure.
import { z } from 'zod';
import type { ExternalCall } from '../../src/kernel/gateways/call.js';

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

const effects = {
  look: 'Changes nothing.',
  change: '',
  end: 'Takes something away that does not come back.',
} as const;

export function syscallPage(calls: readonly ExternalCall[]): string {
  const groups = [...new Set(calls.map(({ name }) => name.split('.', 1)[0] ?? ''))];
  return [
    '# Calls from outside',
    '',
    introduction,
    ...groups.flatMap((group) => [
      '',
      `## ${group}`,
      ...calls.filter(({ name }) => name.startsWith(`${group}.`)).flatMap(sectionOf),
    ]),
    '',
  ].join('\n');
}

const introduction = [
  'What programs outside of the kernel can ask of it. MCP offers each call as a tool, with `_` for the dot. This page is',
  'made from the table in `src/kernel/gateways/` by `node scripts/syscallPage.mjs`; a test keeps the two the same.',
  '',
  'A caller sees and touches its own agents and their rights, and nothing of anybody else: the agent of another one is',
  'one that does not exist. Input that is not in the tables below is refused by name. What goes wrong has a code and a',
  'sentence, such as `notFound: there is no agent with pid 9`.',
  '',
  'A token is no right. Agents start without any, and a tool that needs one waits for the person at the editor or the',
  'terminal; the caller is told that it waits (`blocked`, in progress and status), and can neither answer nor give one.',
  'That is why no question is ever sent to the caller as an elicitation.',
].join('\n');

function sectionOf({ name, description, needs, effect, input, output }: ExternalCall): string[] {
  const note = effects[effect];
  return [
    ...['', `### ${name}`, '', note === '' ? description : `${description} ${note}`, '', `Needs: ${needs}`],
    ...tableOf('Input', z.toJSONSchema(input, { io: 'input' }) as Schema),
    ...tableOf('Output', z.toJSONSchema(output, { io: 'input' }) as Schema),
  ];
}

function tableOf(title: string, { properties = {}, required = [] }: Schema): string[] {
  const fields = Object.entries(properties);
  if (fields.length === 0) return ['', `${title}: nothing.`];
  const rows = fields.map(([field, schema]) => {
    const optional = required.includes(field) ? '' : ' (optional)';
    return `| \`${field}\`${optional} | ${typeOf(schema)} | ${cell(schema.description ?? '')} |`;
  });
  return ['', `| ${title} | Type | |`, '| --- | --- | --- |', ...rows];
}

function typeOf({ type, enum: choices, items, anyOf, properties }: Schema): string {
  if (choices !== undefined) return choices.map((choice) => `\`${String(choice)}\``).join(', ');
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (type === 'array') return `list of ${typeOf(items ?? {})}`;
  if (type === 'object' && properties !== undefined) return `{ ${Object.keys(properties).join(', ')} }`;
  return type ?? 'anything';
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
