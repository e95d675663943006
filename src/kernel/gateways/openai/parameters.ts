/**
 * Reads the body of a request against a schema. A parameter that the kernel cannot honour is refused by its name, and
 * so is one that nobody knows: none is ever left out of account without a word. One whose value asks for nothing
 * (`n: 1`, `logprobs: false`) is honoured by that.
 */

import type { z } from 'zod';
import { badParameter } from './fault.js';

const isNothing = (value: unknown): boolean => value === 0 || value === false;

/** Parameters of the interface that are not supported, each with what it may be all the same. */
const unsupported: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: (value) => value === 1,
  best_of: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: isNothing,
  logit_bias: (value) => typeof value === 'object' && Object.keys(value ?? {}).length === 0,
  presence_penalty: isNothing,
  frequency_penalty: isNothing,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  audio: () => false,
  prediction: () => false,
  functions: () => false,
  function_call: () => false,
  reasoning_effort: () => false,
  verbosity: () => false,
  web_search_options: () => false,
  service_tier: (value) => value === 'auto' || value === 'default',
  store: isNothing,
  suffix: () => false,
  echo: isNothing,
  dimensions: () => false,
  prompt_cache_retention: () => false,
};

/** What tells who asks and for what: it is about no answer. */
const labels: readonly string[] = ['user', 'metadata', 'safety_identifier', 'prompt_cache_key'];

/** @throws Fault 400 that names the parameter */
export function readParameters<T>(schema: z.ZodType<T>, body: unknown): T {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badParameter('body', 'the body is not a JSON object');
  }
  const given = Object.entries(body).filter(([name, value]) => value !== null && !labels.includes(name));
  const supported = given.filter(([name, value]) => !isHonouredByNothing(name, value));
  const result = schema.safeParse(Object.fromEntries(supported));
  if (result.success) return result.data;
  throw faultIn(result.error);
}

function isHonouredByNothing(name: string, value: unknown): boolean {
  const mayBe = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined;
  if (mayBe === undefined) return false;
  if (mayBe(value)) return true;
  throw badParameter(name, `Unsupported parameter: '${name}' is not supported`, 'unsupported_parameter');
}

function faultIn({ issues: [issue] }: z.ZodError): Error {
  const path = (issue?.path ?? []).map(String);
  if (issue?.code === 'unrecognized_keys') {
    const name = [...path, issue.keys[0] ?? ''].join('.');
    return badParameter(name, `Unrecognized request argument supplied: ${name}`, 'unknown_parameter');
  }
  const name = path.join('.');
  const code = issue?.code === 'invalid_type' ? 'invalid_type' : 'invalid_value';
  return badParameter(name, `Invalid value for '${name}': ${issue?.message ?? 'not as it should be'}`, code);
}
