/**
 * Every setting, declared once: default, bounds and scope. `package.json` repeats them for the editor and a test
 * keeps the two equal. Settings that decide what code or model runs are `machine` scope, so that no workspace can
 * set them; only agent definitions belong to a workspace, and they carry no rights.
 */

import { z } from 'zod';

export const gpuChoices = ['auto', 'cpu', 'cuda', 'vulkan', 'metal'] as const;
/** How attention state is kept on disk. `f16` keeps what the cache has, exactly; it is named for what caches mostly are. */
export const quantisations = ['f16', 'q8_0', 'k8v4', 'q4_0'] as const;
export type Quantisation = (typeof quantisations)[number];
const kvTypes = ['f16', 'q8_0', 'q4_0', 'f32', 'bf16'] as const;

export const engineSettingsSchema = z.strictObject({
  model: z.string().default('').describe('Path of a GGUF model file. Empty: the small embedded model.'),
  gpu: z
    .enum(gpuChoices)
    .default('auto')
    .describe('Device that runs the model; `auto` takes a GPU where one works and the CPU elsewhere.'),
  contextTokens: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(0)
    .describe('Tokens of context an agent has. 0: what the model was trained for, at most 8,192.'),
  slots: z.int().min(1).max(64).default(8).describe('Agents whose attention state is resident at once.'),
  threads: z
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe('CPU threads for the model. 0: one fewer than there are cores.'),
  kvType: z
    .enum(kvTypes)
    .default('f16')
    .describe('Type of the KV cache. Combinations known to crash the engine are refused.'),
  interactiveTargetMs: z
    .int()
    .min(20)
    .max(10_000)
    .default(200)
    .describe(
      'Time in which an interactive agent should have its first token, in ms. A smaller value makes computing steps ' +
        'shorter, and all agents together somewhat slower.',
    ),
  swapMegabytes: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(1024)
    .describe('Memory for the attention state of agents that have no slot, in MB. 0: it is computed again.'),
  snapshotMegabytes: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(2048)
    .describe(
      'Disk space for the attention state of agents, so that they go on at once after a restart, in MB. 0: it is ' +
        'computed again.',
    ),
  snapshotQuantisation: z
    .enum(quantisations)
    .default('k8v4')
    .describe(
      'How attention state is kept on disk: `f16` exactly, the others smaller and with a small loss.',
    ),
});

/** What the kernel needs to boot its engine. */
export type EngineSettings = z.infer<typeof engineSettingsSchema>;

export const defaultEngineSettings: EngineSettings = engineSettingsSchema.parse({});

/** How agents share the device. */
export type SchedulerSettings = Pick<EngineSettings, 'interactiveTargetMs'>;

export const settingsSection = 'agenticMicrokernel';
