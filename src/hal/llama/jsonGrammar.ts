/**
 * JSON Schema as GBNF rules. Every text of the grammar is JSON that the schema allows; the grammar may be narrower than
 * the schema (properties come in the order they were declared, and none that were not), never wider in what it promises
 * to hold. A schema may come from anybody: what cannot be expressed is refused with a reason, and nothing it says can
 * make a grammar that never ends or that no text fits.
 */

import { KernelError } from '../../shared/errors.js';
import type { JsonSchema } from '../driver.js';

/** A string cannot hold raw control characters; `\u` escapes can spell them. */
const commonRules = [
  'gap ::= " "?',
  'string ::= "\\"" char* "\\""',
  'char ::= [^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\/bfnrt] | "u" hex hex hex hex)',
  'hex ::= [0-9a-fA-F]',
];

/** Written with only so many digits, a number ends. */
const valueRules = [
  'integer ::= "-"? ("0" | [1-9] [0-9]{0,15})',
  'number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  'boolean ::= "true" | "false"',
  'null ::= "null"',
  'object ::= "{" gap (member ("," gap member)*)? gap "}"',
  'member ::= string ":" gap value',
  'array ::= "[" gap (value ("," gap value)*)? gap "]"',
  'value ::= string | number | boolean | null | object | array',
];

/** Words that only describe. */
const descriptions = new Set([
  ...[
    'title',
    'description',
    'default',
    'examples',
    'deprecated',
    'readOnly',
    'writeOnly',
    '$schema',
    '$id',
    'id',
  ],
  ...['$comment', '$anchor', '$defs', 'definitions', 'strict', 'nullable'],
]);

/** Words that rules are made of. */
const structure = new Set([
  ...[
    'type',
    'enum',
    'const',
    'anyOf',
    'oneOf',
    'allOf',
    '$ref',
    'properties',
    'required',
    'additionalProperties',
  ],
  ...['items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength'],
]);

/** Words that limit a value in a way that no grammar of reasonable size can hold. The model is told of them all the same. */
const limits = new Set([
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'pattern', 'format'],
  ...[
    'minProperties',
    'maxProperties',
    'uniqueItems',
    'contentEncoding',
    'contentMediaType',
    'propertyNames',
  ],
]);

type Type = 'string' | 'number' | 'integer' | 'boolean' | 'null' | 'object' | 'array';

/** What a schema consists of, if not of a type. */
const choices = ['$ref', 'const', 'enum', 'anyOf', 'oneOf', 'allOf'] as const;

/** The engine unrolls repetitions. */
const maxRepeats = 512;
const maxDepth = 64;
const maxRules = 4000;

/** Rules of any number of schemas that share one grammar. */
export class JsonGrammar {
  readonly #rules: string[] = [];
  #usesValues = false;

  /**
   * The name of the rule for a schema.
   * @param isStrict whether words that no grammar can hold are refused as well
   * @throws KernelError `badRequest` with the place in the schema and what is wrong there
   */
  add(schema: JsonSchema, isStrict: boolean): string {
    return new SchemaRules(schema, isStrict, this).rule;
  }

  define(body: string): string {
    if (this.#rules.length >= maxRules) throw refused('#', `is larger than ${maxRules} rules`);
    const name = `r${this.#rules.length}`;
    this.#rules.push(`${name} ::= ${body}`);
    return name;
  }

  /** A rule that refers to itself is named before it is known. */
  reserve(): { readonly name: string; readonly define: (body: string) => void } {
    const at = this.#rules.length;
    const name = this.define('');
    return { name, define: (body) => (this.#rules[at] = `${name} ::= ${body}`) };
  }

  /** The name of a rule that is the same in every grammar. */
  common(name: Type | 'value'): string {
    if (name !== 'string') this.#usesValues = true;
    return name;
  }

  get text(): string {
    return [...this.#rules, ...commonRules, ...(this.#usesValues ? valueRules : [])].join('\n');
  }
}

export const literal = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

const jsonLiteral = (value: unknown): string => literal(JSON.stringify(value));

function refused(place: string, what: string): KernelError {
  return new KernelError('badRequest', `the schema at ${place} ${what}`);
}

const isRecord = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const has = (schema: JsonSchema, word: string): boolean => schema[word] !== undefined;

/** The rules of one schema, in which references point to its own definitions. */
class SchemaRules {
  readonly rule: string;
  readonly #root: JsonSchema;
  readonly #isStrict: boolean;
  readonly #grammar: JsonGrammar;
  readonly #referenced = new Map<string, string>();
  /** References that no character has been read since: one of them again would never end. */
  #open: readonly string[] = [];
  #depth = 0;

  constructor(root: JsonSchema, isStrict: boolean, grammar: JsonGrammar) {
    this.#root = root;
    this.#isStrict = isStrict;
    this.#grammar = grammar;
    this.rule = this.#of(root, '#');
  }

  #of(schema: unknown, place: string): string {
    if (schema === true) return this.#grammar.common('value');
    if (!isRecord(schema)) throw refused(place, 'is not one that any text fits');
    if (++this.#depth > maxDepth) throw refused(place, 'is nested too deeply');
    try {
      this.#check(schema, place);
      return this.#grammar.define(this.#choice(schema, place));
    } finally {
      this.#depth--;
    }
  }

  /** Behind at least one character, where whatever is referred to may come again. */
  #inside(schema: unknown, place: string): string {
    const open = this.#open;
    this.#open = [];
    try {
      return this.#of(schema, place);
    } finally {
      this.#open = open;
    }
  }

  #check(schema: JsonSchema, place: string): void {
    for (const word of Object.keys(schema)) {
      if (descriptions.has(word) || structure.has(word) || word.startsWith('x-')) continue;
      if (!limits.has(word)) throw refused(place, `says "${word}", which no grammar can express`);
      if (this.#isStrict) throw refused(place, `says "${word}", which cannot be held strictly`);
    }
  }

  /** What the schema says first of these decides; two that limit the same value cannot be joined. */
  #choice(schema: JsonSchema, place: string): string {
    const alternatives = choices.filter((word) => has(schema, word));
    const [word, other] = alternatives;
    if (other !== undefined) throw refused(place, `says both "${word ?? ''}" and "${other}"`);
    switch (word) {
      case '$ref':
        return this.#reference(schema['$ref'], place);
      case 'const':
        return jsonLiteral(schema['const']);
      case 'enum':
        return this.#oneOfThese(schema, place);
      case 'anyOf':
      case 'oneOf':
      case 'allOf':
        return this.#composed(schema, word, place);
      case undefined:
        return this.#typed(schema, place);
      default:
        return word satisfies never;
    }
  }

  #oneOfThese(schema: JsonSchema, place: string): string {
    const values = schema['enum'];
    if (!Array.isArray(values) || values.length === 0) throw refused(place, 'has an "enum" of nothing');
    return values.map(jsonLiteral).join(' | ');
  }

  #composed(schema: JsonSchema, word: string, place: string): string {
    const parts = schema[word];
    if (!Array.isArray(parts) || parts.length === 0) throw refused(place, `has an "${word}" of nothing`);
    if (word === 'allOf' && parts.length > 1)
      throw refused(place, 'says "allOf", which no grammar can express');
    if (has(schema, 'properties') || has(schema, 'items')) {
      throw refused(place, `says "${word}" beside what a value of its own has`);
    }
    return parts.map((part, index) => this.#of(part, `${place}/${word}/${index}`)).join(' | ');
  }

  #reference(to: unknown, place: string): string {
    if (typeof to !== 'string' || !to.startsWith('#')) throw refused(place, 'refers to another document');
    if (this.#open.includes(to)) throw refused(place, `refers to itself through ${to}`);
    const known = this.#referenced.get(to);
    if (known !== undefined) return known;
    const { name, define } = this.#grammar.reserve();
    this.#referenced.set(to, name);
    this.#open = [...this.#open, to];
    try {
      define(this.#of(this.#lookUp(to, place), to));
    } finally {
      this.#open = this.#open.slice(0, -1);
    }
    return name;
  }

  #lookUp(to: string, place: string): unknown {
    let found: unknown = this.#root;
    for (const step of to.slice(1).split('/').slice(1)) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) {
        throw refused(place, `refers to ${to}, which is not there`);
      }
      found = (found as JsonSchema)[key];
    }
    return found;
  }

  #typed(schema: JsonSchema, place: string): string {
    const named = has(schema, 'type') ? [schema['type']].flat() : [this.#impliedType(schema)];
    if (named.length === 0) throw refused(place, 'has a "type" of nothing');
    const alternatives = named.map((type) => this.#ofType(type, schema, place));
    return [...alternatives, ...(schema['nullable'] === true ? ['"null"'] : [])].join(' | ');
  }

  #impliedType(schema: JsonSchema): Type | 'value' {
    if (has(schema, 'properties') || has(schema, 'additionalProperties')) return 'object';
    if (has(schema, 'items') || has(schema, 'prefixItems')) return 'array';
    return has(schema, 'minLength') || has(schema, 'maxLength') ? 'string' : 'value';
  }

  #ofType(type: unknown, schema: JsonSchema, place: string): string {
    if (type === 'object') return this.#object(schema, place);
    if (type === 'array') return this.#array(schema, place);
    if (type === 'string') return this.#string(schema, place);
    const simple = (['number', 'integer', 'boolean', 'null', 'value'] as const).find((each) => each === type);
    if (simple === undefined) throw refused(place, `has the unknown type ${JSON.stringify(type)}`);
    return this.#grammar.common(simple);
  }

  #string(schema: JsonSchema, place: string): string {
    const repeats = this.#repeats(schema, 'minLength', 'maxLength', place);
    return repeats === '*' ? this.#grammar.common('string') : `"\\"" char${repeats} "\\""`;
  }

  #array(schema: JsonSchema, place: string): string {
    const first = schema['prefixItems'];
    if (Array.isArray(first)) {
      const items = first.map((item, index) => this.#inside(item, `${place}/prefixItems/${index}`));
      return `"[" gap ${items.join(' "," gap ')} gap "]"`;
    }
    const { least, most } = this.#bounds(schema, 'minItems', 'maxItems', place);
    if (most === 0) return '"[" gap "]"';
    const item = this.#inside(schema['items'] ?? true, `${place}/items`);
    const rest = `("," gap ${item}){${Math.max(0, least - 1)},${most === undefined ? '' : most - 1}}`;
    const filled = `${item} ${rest}`;
    return `"[" gap ${least > 0 ? filled : `(${filled})?`} gap "]"`;
  }

  /** `{2,5}` or `*`. */
  #repeats(schema: JsonSchema, from: string, to: string, place: string): string {
    const { least, most } = this.#bounds(schema, from, to, place);
    return least === 0 && most === undefined ? '*' : `{${least},${most ?? ''}}`;
  }

  /** Bounds too large for a grammar are the model's business, unless they must hold. */
  #bounds(
    schema: JsonSchema,
    from: string,
    to: string,
    place: string,
  ): { readonly least: number; readonly most: number | undefined } {
    const [least = 0, most] = [from, to].map((word) => {
      const bound = schema[word];
      if (bound === undefined) return undefined;
      if (typeof bound !== 'number' || !Number.isInteger(bound) || bound < 0) {
        throw refused(place, `has a "${word}" that is no count`);
      }
      if (bound <= maxRepeats) return bound;
      if (this.#isStrict) throw refused(place, `has a "${word}" of more than ${maxRepeats}`);
      return undefined;
    });
    if (most !== undefined && most < least) throw refused(place, `has a "${to}" below its "${from}"`);
    return { least, most };
  }

  #object(schema: JsonSchema, place: string): string {
    const properties = schema['properties'] ?? {};
    const required = schema['required'] ?? [];
    if (!isRecord(properties)) throw refused(place, 'has "properties" that are not an object');
    if (!Array.isArray(required)) throw refused(place, 'has a "required" that is no list');
    const undeclared = required.filter(
      (name) => typeof name === 'string' && !Object.hasOwn(properties, name),
    );
    const declared = [
      ...Object.entries(properties),
      ...undeclared.map((name) => [String(name), true] as const),
    ];
    if (declared.length === 0) return this.#map(schema['additionalProperties'], place);
    const members = declared.map(([name, of]) => ({
      text: `${literal(`${JSON.stringify(name)}:`)} gap ${this.#inside(of, `${place}/properties/${name}`)}`,
      isRequired: required.includes(name),
    }));
    return `"{" gap ${this.#members(members)} gap "}"`;
  }

  #map(of: unknown, place: string): string {
    if (of === false) return '"{" gap "}"';
    if (of === undefined || of === true) return this.#grammar.common('object');
    const value = this.#inside(of, `${place}/additionalProperties`);
    return `"{" gap (string ":" gap ${value} ("," gap string ":" gap ${value})*)? gap "}"`;
  }

  /** Two rules for each member, from the last one back: what may follow where it is the first, and where it is not. */
  #members(members: readonly { readonly text: string; readonly isRequired: boolean }[]): string {
    let [ifFirst, ifLater] = ['""', '""'];
    for (const { text, isRequired } of [...members].reverse()) {
      const shown = `${text} ${ifLater}`;
      const first = isRequired ? shown : `${shown} | ${ifFirst}`;
      const later = isRequired ? `"," gap ${shown}` : `"," gap ${shown} | ${ifLater}`;
      [ifFirst, ifLater] = [this.#grammar.define(first), this.#grammar.define(later)];
    }
    return ifFirst;
  }
}
