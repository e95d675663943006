/**
 * `context.*` and `kv.*`: what an agent's window holds, and its attention state. They work on the caller's own agents;
 * text that comes back is data of unknown origin.
 */

import { z } from 'zod';
import { agentDefinitionSchema } from '../../shared/agentDefinition.js';
import { defineCall } from './call.js';
import { blockSchema, pidSchema } from './shapes.js';

const onePid = z.strictObject({ pid: pidSchema });
const oneBlock = onePid.extend({
  id: z.int().min(1).describe('Number of a block, as context.map names it.'),
});
const nothing = z.object({});
const needs = 'The agent is yours.';

export const contextCalls = [
  defineCall({
    name: 'context.map',
    description: "What an agent's window holds, block by block, and what has left it.",
    effect: 'look',
    needs,
    input: onePid,
    output: z.object({
      windowTokens: z.int(),
      thresholdTokens: z.int().describe('Above it, blocks leave the window.'),
      usedTokens: z.int().describe('Of the last prompt.'),
      attention: z
        .string()
        .describe('"measured" where attention decided what left last, else why it did not.'),
      blocks: z.array(blockSchema).readonly(),
    }),
    handle: async (input, { kernel, signal }) => await kernel.syscalls.contextMap(input, signal),
  }),
  defineCall({
    name: 'context.read',
    description: 'The text of a block.',
    effect: 'look',
    needs,
    input: oneBlock,
    output: z.object({ text: z.string() }),
    handle: async (input, { kernel, signal }) => ({
      text: await kernel.syscalls.contextBlock(input, signal),
    }),
  }),
  defineCall({
    name: 'context.recall',
    description: 'Finds what an agent saw before and what is no longer in its window.',
    effect: 'look',
    needs,
    input: onePid.extend({
      query: z.string().trim().min(1).max(10_000).describe('Words of it, or what it is about.'),
    }),
    output: z.object({ text: z.string() }),
    handle: async ({ pid, query }, { kernel }) => ({ text: await kernel.recall(pid, query) }),
  }),
  defineCall({
    name: 'context.pin',
    description: "Keeps a block in an agent's window, or lets it leave again.",
    effect: 'change',
    needs,
    input: oneBlock.extend({ pinned: z.boolean() }),
    output: nothing,
    handle: async (input, { kernel, signal }) => {
      await kernel.syscalls.pinBlock(input, signal);
      return {};
    },
  }),
  defineCall({
    name: 'context.page',
    description: "Moves a block out of an agent's window at once, or in with its next turn.",
    effect: 'change',
    needs,
    input: oneBlock.extend({ direction: z.enum(['out', 'in']) }),
    output: nothing,
    handle: async (input, { kernel, signal }) => {
      await kernel.syscalls.pageBlock(input, signal);
      return {};
    },
  }),
];

export const kvCalls = [
  defineCall({
    name: 'kv.snapshot',
    description:
      "Writes an agent's attention state to disk, from where it comes back without being computed again.",
    effect: 'change',
    needs: `${needs} The kernel keeps state on disk.`,
    input: onePid,
    output: nothing,
    handle: async ({ pid }, { kernel }) => {
      await kernel.keepState(pid);
      return {};
    },
  }),
  defineCall({
    name: 'kv.handoff',
    description:
      "Starts an agent that goes on after another one's last token, with its own instructions and task. move: the other " +
      'one ends, and nothing is computed again. copy: both go on.',
    effect: 'change',
    needs: `${needs} Its definition names the other one in handsTo.`,
    input: z.strictObject({
      from: pidSchema,
      definition: agentDefinitionSchema,
      task: z.string().trim().min(1).max(100_000),
      mode: z.enum(['move', 'copy']).default('move'),
    }),
    output: z.object({ pid: z.int() }),
    handle: async (input, { kernel, signal }) =>
      await kernel.syscalls.handoff({ ...input, grants: [] }, signal),
  }),
];
