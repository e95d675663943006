/** `llm.*`, `grant.*` and `kernel.*`: the model without an agent, the rights of the caller's agents, and the kernel. */

import { z } from 'zod';
import { KernelError } from '../../shared/errors.js';
import { defineCall } from './call.js';
import { grantSchema, tiersSchema } from './shapes.js';

const text = z.string().max(1_000_000);

export const llmCalls = [
  defineCall({
    name: 'llm.tokenize',
    description: 'The tokens of a text in the model that the kernel runs.',
    effect: 'look',
    needs: 'Nothing.',
    input: z.strictObject({ text }),
    output: z.object({ tokens: z.array(z.int()).readonly() }),
    handle: ({ text: given }, { kernel }) => ({ tokens: kernel.tokenize(given) }),
  }),
  defineCall({
    name: 'llm.embed',
    description: 'A vector of length 1 for each text: texts that mean alike lie close together.',
    effect: 'look',
    needs: 'The kernel has a model for it.',
    input: z.strictObject({ texts: z.array(text).min(1).max(64) }),
    output: z.object({ vectors: z.array(z.array(z.number())) }),
    handle: async ({ texts }, { kernel }) => {
      if (kernel.embed === undefined) throw new KernelError('notFound', 'this kernel has no embedding model');
      return { vectors: (await kernel.embed(texts)).map((vector) => [...vector]) };
    },
  }),
];

export const grantCalls = [
  defineCall({
    name: 'grant.list',
    description:
      'The rights that your agents hold. Only a person gives rights, in the editor or the terminal.',
    effect: 'look',
    needs: 'Nothing; only those of your agents are listed.',
    input: z.strictObject({}),
    output: z.object({ grants: z.array(grantSchema) }),
    handle: async (_, { kernel, signal }) => ({
      grants: (await kernel.syscalls.grants(null, signal)).flatMap(({ grant, uses }) => {
        const { id, pid, capability, scope, lifetime } = grant;
        return pid === undefined ? [] : [{ id, pid, capability, scope, lifetime, uses }];
      }),
    }),
  }),
  defineCall({
    name: 'grant.revoke',
    description: 'Takes a right back. A tool that relies on it at the moment is stopped.',
    effect: 'end',
    needs: 'The right is held by one of your agents.',
    input: z.strictObject({ id: z.int().min(1).describe('As grant.list names it.') }),
    output: z.object({}),
    handle: async (input, { kernel, signal }) => {
      await kernel.syscalls.revoke(input, signal);
      return {};
    },
  }),
];

export const kernelCalls = [
  defineCall({
    name: 'kernel.info',
    description: 'The model, the device, and the folders that agents can work in.',
    effect: 'look',
    needs: 'Nothing.',
    input: z.strictObject({}),
    output: z.object({
      model: z.string(),
      device: z.string(),
      slots: z.int(),
      contextTokens: z.int(),
      keepsAgents: z.boolean().describe('Whether agents outlive the kernel process.'),
      workspaces: z.array(z.string()).readonly(),
      caller: z.object({ name: z.string(), mostUrgent: z.string() }).describe('Who you are to the kernel.'),
    }),
    handle: (_, { kernel }) => {
      const { name, mostUrgent } = kernel.caller;
      return { ...kernel.info(), workspaces: kernel.workspaces(), caller: { name, mostUrgent } };
    },
  }),
  defineCall({
    name: 'kernel.metrics',
    description: 'Memory of the kernel, where attention state is, and what your agents have used.',
    effect: 'look',
    needs: 'Nothing; of agents only yours are counted.',
    input: z.strictObject({}),
    output: z.object({
      rssBytes: z.number(),
      peakRssBytes: z.number(),
      tiers: tiersSchema.nullable(),
      agents: z.object({ live: z.int(), all: z.int() }),
      generatedTokens: z.int(),
      deviceMs: z.number(),
    }),
    handle: async (_, { kernel, signal }) => {
      const rows = await kernel.syscalls.list(null, signal);
      const sum = (of: (row: (typeof rows)[number]) => number): number =>
        rows.reduce((all, row) => all + of(row), 0);
      return {
        ...kernel.usage(),
        agents: { live: rows.filter(({ state }) => state !== 'exited').length, all: rows.length },
        generatedTokens: sum(({ generatedTokens }) => generatedTokens),
        deviceMs: sum(({ deviceMs }) => deviceMs),
      };
    },
  }),
];
