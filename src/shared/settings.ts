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

const storeUrl = z.url({ protocol: /^https?$/ });
/** Weaviate wants a capital first; Chroma at least three characters. */
const storeCollection = z
  .string()
  .regex(/^[A-Z][A-Za-z0-9]{2,62}$/)
  .default('AgentBlocks')
  .describe('Collection that holds the blocks; it is made when it is missing.');

const vectorStoreSchema = z.union([
  z.literal('orama'),
  z.strictObject({
    kind: z.literal('chroma'),
    url: storeUrl.describe('Address of the server.'),
    collection: storeCollection,
  }),
  z.strictObject({
    kind: z.literal('weaviate'),
    url: storeUrl.describe('Address of the server.'),
    grpcPort: z.int().min(1).max(65_535).default(50_051).describe('Port of its gRPC service.'),
    collection: storeCollection,
  }),
  z.strictObject({
    kind: z.literal('pinecone'),
    url: storeUrl.describe(
      'Address of the index. It has 768 dimensions (256 of meaning and 512 of words) and the metric cosine.',
    ),
    collection: storeCollection.describe('Not used: the address names the index.'),
  }),
]);
/** Where what agents page out is kept. */
export type VectorStoreSetting = z.infer<typeof vectorStoreSchema>;

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
  contextThreshold: z
    .number()
    .min(0.3)
    .max(0.95)
    .default(0.8)
    .describe(
      'Part of an agent’s context that may be in use. Above it, what the agent needs least leaves, and can come back.',
    ),
  contextTarget: z
    .number()
    .min(0.1)
    .max(0.95)
    .default(0.6)
    .describe('Part of an agent’s context that is still in use when something has left it.'),
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
  vectorStore: vectorStoreSchema
    .default('orama')
    .describe(
      'Where text that agents page out is kept and found again: `orama`, on this machine, or a server of your own, such ' +
        'as `{ "kind": "chroma", "url": "http://localhost:8000" }` (also `weaviate` and `pinecone`). What agents read ' +
        'and say is sent there.',
    ),
});

/** What concerns the editor's side alone. */
export const editorSettingsSchema = z.strictObject({
  encryptState: z
    .boolean()
    .default(false)
    .describe(
      'Encrypt what is kept of agents on disk, with a key in the secret storage of the editor. What was encrypted ' +
        'is of use only while this is on.',
    ),
});

/** What the kernel needs to boot its engine. */
export type EngineSettings = z.infer<typeof engineSettingsSchema>;

export const defaultEngineSettings: EngineSettings = engineSettingsSchema.parse({});

/** How agents share the device. */
export type SchedulerSettings = Pick<EngineSettings, 'interactiveTargetMs'>;

export const settingsSection = 'agenticMicrokernel';
