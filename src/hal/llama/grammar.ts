/**
 * The language of tool calls, as a GBNF grammar: exactly one JSON object that names a known tool and gives each of its
 * parameters as a string, in the order they were declared. It ends with the closing brace, so that a model can go
 * nowhere but out of the call. Spacing may be compact or as `json.dumps` writes it, and a line break may come first,
 * since models were trained on all of these.
 */

import { KernelError } from '../../shared/errors.js';
import type { ToolSignature } from '../driver.js';

/** A string cannot hold raw control characters; `\u` escapes can spell them. */
const commonRules = [
  'gap ::= " "?',
  'string ::= "\\"" char* "\\""',
  'char ::= [^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\/bfnrt] | "u" hex hex hex hex)',
  'hex ::= [0-9a-fA-F]',
];

/** @throws KernelError `badRequest` when there is no tool to call */
export function toolCallGrammar(tools: readonly ToolSignature[]): string {
  if (tools.length === 0)
    throw new KernelError('badRequest', 'a tool call cannot be asked for without tools');
  const calls = tools.map((tool, index) => `call${index} ::= ${callOf(tool)}`);
  const choice = tools.map((_tool, index) => `call${index}`).join(' | ');
  return [`root ::= "\\n"? (${choice})`, ...calls, ...commonRules].join('\n');
}

function callOf({ name, parameters }: ToolSignature): string {
  const pairs = Object.keys(parameters).map((key) => `${literal(`${JSON.stringify(key)}:`)} gap string`);
  return [
    literal('{"name":'),
    'gap',
    literal(`${JSON.stringify(name)},`),
    'gap',
    literal('"arguments":'),
    'gap',
    literal('{'),
    pairs.join(` ${literal(',')} gap `),
    literal('}}'),
  ]
    .filter((part) => part !== '')
    .join(' ');
}

const literal = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
