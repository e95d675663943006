/** `/v1/embeddings`: texts to vectors, as numbers or as base64 of little-endian floats. */

import { z } from 'zod';
import type { Embedder } from '../../../hal/embedder.js';
import { readParameters } from './parameters.js';

const requestSchema = z.strictObject({
  model: z.string(),
  input: z.union(
    [z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)],
    'the input is a text or a list of texts, none of them empty; tokens are not supported',
  ),
  encoding_format: z.enum(['float', 'base64']).exactOptional(),
});

export type AskedEmbeddings = z.infer<typeof requestSchema>;

/** @throws Fault 400 that names what is wrong */
export const readEmbeddings = (body: unknown): AskedEmbeddings => readParameters(requestSchema, body);

export async function embeddings(
  { input, encoding_format: format = 'float' }: AskedEmbeddings,
  model: string,
  embedder: Embedder,
  signal: AbortSignal,
): Promise<object> {
  const texts = [input].flat();
  const data: object[] = [];
  // One after the other, so that a caller who has gone is not computed for.
  for (const [index, text] of texts.entries()) {
    signal.throwIfAborted();
    const [vector = new Float32Array()] = await embedder.embed([text]);
    const embedding = format === 'float' ? Array.from(vector) : base64(vector);
    data.push({ object: 'embedding', index, embedding });
  }
  // The embedder reads words and counts no tokens; a word is about one.
  const words = texts.reduce((sum, text) => sum + (text.match(/\S+/g)?.length ?? 0), 0);
  return { object: 'list', data, model, usage: { prompt_tokens: words, total_tokens: words } };
}

const base64 = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');
