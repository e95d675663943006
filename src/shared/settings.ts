/**
 * Every setting, declared once: default, bounds and scope. `package.json` repeats them for the editor and a test
 * keeps the two equal. Settings that decide what code or model runs are `machine` scope, so that no workspace can
 * set them; only agent definitions belong to a workspace, and they carry no rights.
 */

import { z } from 'zod';

export const gpuChoices = ['auto', 'cpu', 'cuda', 'vulkan', 'metal'] as const;
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
});

/** What the kernel needs to boot its engine. */
export type EngineSettings = z.infer<typeof engineSettingsSchema>;

export const defaultEngineSettings: EngineSettings = engineSettingsSchema.parse({});

export const settingsSection = 'agenticMicrokernel';
