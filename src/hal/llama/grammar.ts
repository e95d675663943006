/**
 * The language of tool calls, as a GBNF grammar: exactly one JSON object that names a known tool and gives its arguments,
 * in the order they were declared. It ends with the closing brace, so that a model can go nowhere but out of the call.
 * Spacing may be compact or as `json.dumps` writes it, and a line break may come first, since models were trained on all
 * of these.
 */

import { KernelError, messageOf } from '../../shared/errors.js';
import type { JsonSchema, ToolSignature } from '../driver.js';
import { JsonGrammar, literal } from './jsonGrammar.js';

/** @throws KernelError `badRequest` when there is no tool to call, or one whose schema no grammar can express */
export function toolCallGrammar(tools: readonly ToolSignature[]): string {
  if (tools.length === 0)
    throw new KernelError('badRequest', 'a tool call cannot be asked for without tools');
  const grammar = new JsonGrammar();
  const calls = tools.map((tool, index) => `call${index} ::= ${callOf(tool, grammar)}`);
  const choice = tools.map((_tool, index) => `call${index}`).join(' | ');
  return [`root ::= "\\n"? (${choice})`, ...calls, grammar.text].join('\n');
}

/** @throws KernelError `badRequest` for a schema that no grammar can express */
export function jsonGrammar(schema: JsonSchema, isStrict: boolean): string {
  const grammar = new JsonGrammar();
  return [`root ::= ${grammar.add(schema, isStrict)}`, grammar.text].join('\n');
}

function callOf(tool: ToolSignature, grammar: JsonGrammar): string {
  const { name } = tool;
  return [
    literal('{"name":'),
    'gap',
    literal(`${JSON.stringify(name)},`),
    'gap',
    literal('"arguments":'),
    'gap',
    ...argumentsOf(tool, grammar),
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** With the brace that ends the call. */
function argumentsOf(tool: ToolSignature, grammar: JsonGrammar): string[] {
  const { name, parameters, schema, isStrict = false } = tool;
  if (schema === undefined) {
    const pairs = Object.keys(parameters).map((key) => `${literal(`${JSON.stringify(key)}:`)} gap string`);
    return [literal('{'), pairs.join(` ${literal(',')} gap `), literal('}}')];
  }
  try {
    return [grammar.add(schema, isStrict), literal('}')];
  } catch (error) {
    throw new KernelError('badRequest', `tool ${name}: ${messageOf(error)}`, { cause: error });
  }
}
