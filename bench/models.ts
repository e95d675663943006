/** The models that benchmarks run on: those of the product, and one of benchmark size with random weights. */

import { fileURLToPath } from 'node:url';
import type { ModelShape } from './randomModel.js';

export const embeddedModel = fileURLToPath(new URL('../../models/amk-embedded.gguf', import.meta.url));
export const embedderModel = fileURLToPath(new URL('../../models/amk-embedder.gguf', import.meta.url));

/** About 30 million weights: large enough that the device's time dwarfs the kernel's, small enough for two cores. */
export const benchmarkShape: ModelShape = {
  layers: 8,
  width: 512,
  keyValueHeads: 4,
  feedForward: 1408,
  contextTokens: 4096,
};
