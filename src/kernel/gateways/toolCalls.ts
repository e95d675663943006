/** `tool.*`: the kernel's tools for agents that live outside of it. A token is no grant: each access is asked for. */

import { z } from 'zod';
import { workspaceOf } from './agentCalls.js';
import { defineCall } from './call.js';

export const toolCalls = [
  defineCall({
    name: 'tool.list',
    description: 'The tools that tool.call can call, with their parameters; every parameter is a string.',
    effect: 'look',
    needs: 'Nothing.',
    input: z.strictObject({}),
    output: z.object({
      tools: z.array(
        z.object({
          name: z.string(),
          description: z.string(),
          parameters: z.record(z.string(), z.object({ description: z.string() })),
        }),
      ),
    }),
    handle: (_, { kernel }) => ({
      tools: kernel.tools().map((tool) => ({ ...tool, parameters: { ...tool.parameters } })),
    }),
  }),
  defineCall({
    name: 'tool.call',
    description:
      "Calls a tool as an agent does: in a sandbox, under the tool's own limits. What the tool could not do is told in " +
      'text, with ok false. Calls of one client to one workspace are carried out one after the other.',
    effect: 'change',
    needs: 'A grant that covers each access; where there is none the person is asked, and the call waits.',
    input: z.strictObject({
      name: z.string().describe('As tool.list names it.'),
      arguments: z.record(z.string(), z.string()).default({}),
      workspace: z.string().min(1).exactOptional().describe('As for agent.spawn.'),
    }),
    output: z.object({
      text: z.string(),
      ok: z.boolean().describe('Whether the tool did what it was asked for.'),
      decision: z.string().describe('How it was decided whether the call might do what it wanted.'),
      ms: z.number(),
    }),
    handle: async ({ name, arguments: given, workspace }, { kernel, signal, progress }) => {
      const call = { name, arguments: given, workspace: workspaceOf(workspace, kernel) };
      const listener = kernel.onRows((rows) => {
        for (const { state, reason } of rows) if (state === 'blocked') progress(reason);
      });
      try {
        return await kernel.callTool(call, signal);
      } finally {
        listener.dispose();
      }
    },
  }),
];
