/** The options that say which model runs on what and where agents page to, for every command that starts a kernel. */

import { KernelError } from '../shared/errors.js';
import { engineSettingsSchema, gpuChoices, type EngineSettings } from '../shared/settings.js';

export type EngineChoice = Pick<EngineSettings, 'model' | 'gpu'> &
  Partial<Pick<EngineSettings, 'vectorStore'>>;

/** @throws KernelError `badRequest` */
export function readEngine(values: {
  readonly model?: string | undefined;
  readonly gpu?: string | undefined;
  readonly store?: string | undefined;
}): EngineChoice {
  const gpu = gpuChoices.find((choice) => choice === (values.gpu ?? 'auto'));
  if (gpu === undefined) {
    throw new KernelError(
      'badRequest',
      `--gpu is one of ${gpuChoices.join(', ')}, not "${values.gpu ?? ''}"`,
    );
  }
  const engine = { model: values.model ?? '', gpu };
  return values.store === undefined ? engine : { ...engine, vectorStore: readStore(values.store) };
}

/** `KIND=URL`; what else there is to say of a store has defaults. */
function readStore(text: string): EngineSettings['vectorStore'] {
  const [, kind, url] = /^([a-z]+)=(.+)$/.exec(text) ?? [];
  const { data } = engineSettingsSchema.shape.vectorStore.safeParse({ kind, url });
  if (data !== undefined) return data;
  throw new KernelError(
    'badRequest',
    `--store is chroma=URL, weaviate=URL or pinecone=URL, such as chroma=http://localhost:8000, not "${text}"`,
  );
}
