/**
 * The engine's library called directly, for what its binding does not offer. Layouts of structures belong to one exact
 * release: the library is opened by that release's name, and has to give its own defaults at the right places before
 * anything else is asked of it. Nothing here is safe from a wrong argument: use it only in a process of its own.
 */

import { fileURLToPath } from 'node:url';
import type koffiModule from 'koffi';
import { messageOf } from '../../shared/errors.js';

/** The release whose structures are described here. */
const release = 'v0.4.0';

/** The engine's binary package of each platform for the CPU, and what its libraries have in their names. */
const packages: Readonly<Partial<Record<string, readonly [name: string, infix: string]>>> = {
  'linux-x64': ['linux-x64', ''],
  'linux-arm64': ['linux-arm64', ''],
  'linux-arm': ['linux-armv7l', ''],
  'darwin-x64': ['mac-x64', ''],
  'darwin-arm64': ['mac-arm64-metal', 'metal.'],
  'win32-x64': ['win-x64', ''],
  'win32-arm64': ['win-arm64', ''],
};

const modelParameters = {
  devices: 'void *',
  tensor_buft_overrides: 'void *',
  n_gpu_layers: 'int32',
  split_mode: 'int32',
  load_mode: 'int32',
  lazy_mode: 'int32',
  main_gpu: 'int32',
  tensor_split: 'void *',
  progress_callback: 'void *',
  progress_callback_user_data: 'void *',
  kv_overrides: 'void *',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
} as const;

const contextParameters = {
  n_ctx: 'uint32',
  n_batch: 'uint32',
  n_ubatch: 'uint32',
  n_seq_max: 'uint32',
  n_rs_seq: 'uint32',
  n_outputs_max: 'uint32',
  n_outputs_max_per_seq: 'uint32',
  n_threads: 'int32',
  n_threads_batch: 'int32',
  ctx_type: 'int32',
  rope_scaling_type: 'int32',
  pooling_type: 'int32',
  attention_type: 'int32',
  flash_attn_type: 'int32',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32',
  defrag_thold: 'float',
  cb_eval: 'void *',
  cb_eval_user_data: 'void *',
  type_k: 'int32',
  type_v: 'int32',
  abort_callback: 'void *',
  abort_callback_data: 'void *',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void *',
  n_samplers: 'size_t',
  ctx_other: 'void *',
} as const;

const batchParameters = {
  n_tokens: 'int32',
  token: 'void *',
  embd: 'void *',
  pos: 'void *',
  n_seq_id: 'void *',
  seq_id: 'void *',
  logits: 'void *',
} as const;

type Parameters<Layout> = { readonly [Name in keyof Layout]: unknown };
export type ModelParameters = Parameters<typeof modelParameters>;
export type ContextParameters = Parameters<typeof contextParameters>;
type Batch = Parameters<typeof batchParameters>;

/** What this release answers when it is asked for its defaults: every one that is not 0 and some that are. */
const modelDefaults: Readonly<Partial<ModelParameters>> = {
  devices: null,
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  main_gpu: 0,
  kv_overrides: null,
  vocab_only: false,
  check_tensors: false,
  use_extra_bufts: true,
  no_host: false,
  no_alloc: false,
  load_mtp: false,
};
const contextDefaults: Readonly<Partial<ContextParameters>> = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_rs_seq: 0,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  rope_freq_base: 0,
  yarn_ext_factor: -1,
  yarn_attn_factor: -1,
  yarn_beta_fast: -1,
  yarn_beta_slow: -1,
  yarn_orig_ctx: 0,
  defrag_thold: -1,
  cb_eval: null,
  cb_eval_user_data: null,
  type_k: 1,
  type_v: 1,
  abort_callback: null,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
  kv_unified: false,
  samplers: null,
  n_samplers: 0,
  ctx_other: null,
};

/** Something of the engine's, known by its address. */
export type Pointer = object | bigint;

/** Called for each tensor of a computation: whether it is wanted, and then, where it is, with its data computed. */
export type TensorListener = (tensor: Pointer, isQuestion: boolean) => boolean;

export interface Library {
  loadBackends(folder: string): void;
  modelDefaults(): ModelParameters;
  contextDefaults(): ContextParameters;
  loadModel(path: string, parameters: ModelParameters): Pointer | null;
  createContext(model: Pointer, parameters: ContextParameters): Pointer | null;
  freeContext(context: Pointer): void;
  memoryOf(context: Pointer): Pointer;
  clearMemory(memory: Pointer, withData: boolean): void;
  loadState(context: Pointer, path: string): boolean;
  decode(context: Pointer, batch: Batch): number;
  tensorName(tensor: Pointer): string;
  tensorElements(tensor: Pointer): number;
  tensorRows(tensor: Pointer): number;
  tensorBytes(tensor: Pointer): number;
  readTensor(tensor: Pointer, target: Float32Array): void;
  /** Stays valid for good. */
  callbackOf(listener: TensorListener): Pointer;
  /** Valid for as long as the array is. */
  addressOf(array: Int32Array): bigint;
}

/** The first field at which a library's defaults are not what this release's are. */
export function firstDifference(
  found: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
): string | undefined {
  const same = (value: unknown, other: unknown): boolean =>
    typeof value === 'bigint' && typeof other === 'number' ? value === BigInt(other) : value === other;
  const name = Object.keys(expected).find((each) => !same(found[each], expected[each]));
  return name === undefined ? undefined : `${name} is ${String(found[name])}, not ${String(expected[name])}`;
}

/**
 * @returns why it cannot be used, as half a sentence, where it cannot
 */
export async function openLibrary(): Promise<Library | string> {
  const platform = `${process.platform}-${process.arch}`;
  const found = packages[platform];
  if (found === undefined) return `there is no engine for ${platform}`;
  const [name, infix] = found;
  try {
    const { default: koffi } = await import('koffi');
    const entry = import.meta.resolve(`@node-llama-cpp/${name}`);
    const folder = fileURLToPath(new URL(`../bins/${name}/`, entry));
    const library = bind(koffi, folder, infix);
    const fault =
      firstDifference(library.modelDefaults(), modelDefaults) ??
      firstDifference(library.contextDefaults(), contextDefaults);
    if (fault !== undefined) return `the engine is not llama.cpp ${release} as it is known here: ${fault}`;
    library.loadBackends(folder);
    return library;
  } catch (error) {
    return `the library of llama.cpp ${release} cannot be called: ${messageOf(error)}`;
  }
}

type Koffi = typeof koffiModule;

/** Libraries that others need come first: a loader that does not look beside a library finds them loaded. */
function bind(koffi: Koffi, folder: string, infix: string): Library {
  const [prefix, suffix] = process.platform === 'win32' ? ['', '.dll'] : ['lib', ''];
  const ending = suffix || (process.platform === 'darwin' ? '.dylib' : '.so');
  const load = (stem: string) => koffi.load(`${folder}${prefix}${stem}${ending}`);
  const base = load('ggml-base');
  const ggml = load(`ggml.${infix}${release}`);
  const llama = load(`llama.${infix}${release}`);
  koffi.struct('llama_model_params', modelParameters);
  koffi.struct('llama_context_params', contextParameters);
  koffi.struct('llama_batch', batchParameters);
  const listener = koffi.proto('bool tensor_listener(void *tensor, bool ask, void *data)');
  const loadFile: (...values: readonly unknown[]) => number | bigint = llama.func(
    'size_t llama_state_seq_load_file(void *context, const char *path, int32 sequence, void *tokens, size_t room, _Out_ size_t *count)',
  );
  const elements: (tensor: Pointer) => number | bigint = base.func('int64 ggml_nelements(void *tensor)');
  const rows: (tensor: Pointer) => number | bigint = base.func('int64 ggml_nrows(void *tensor)');
  const bytes: (tensor: Pointer) => number | bigint = base.func('size_t ggml_nbytes(void *tensor)');
  const get: (tensor: Pointer, target: Float32Array, offset: number, size: number) => void = base.func(
    'void ggml_backend_tensor_get(void *tensor, void *data, size_t offset, size_t size)',
  );
  return {
    loadBackends: ggml.func('void ggml_backend_load_all_from_path(const char *folder)'),
    modelDefaults: llama.func('llama_model_params llama_model_default_params()'),
    contextDefaults: llama.func('llama_context_params llama_context_default_params()'),
    loadModel: llama.func(
      'void *llama_model_load_from_file(const char *path, llama_model_params parameters)',
    ),
    createContext: llama.func('void *llama_init_from_model(void *model, llama_context_params parameters)'),
    freeContext: llama.func('void llama_free(void *context)'),
    memoryOf: llama.func('void *llama_get_memory(void *context)'),
    clearMemory: llama.func('void llama_memory_clear(void *memory, bool withData)'),
    // Without room for tokens only the head of the file is read; the room is not used, as the file has none.
    loadState: (context, path) => Number(loadFile(context, path, 0, new Int32Array(1), 0, [0])) > 0,
    decode: llama.func('int32 llama_decode(void *context, llama_batch batch)'),
    tensorName: base.func('const char *ggml_get_name(void *tensor)'),
    tensorElements: (tensor) => Number(elements(tensor)),
    tensorRows: (tensor) => Number(rows(tensor)),
    tensorBytes: (tensor) => Number(bytes(tensor)),
    readTensor: (tensor, target) => get(tensor, target, 0, target.byteLength),
    callbackOf: (on) => koffi.register(on, koffi.pointer(listener)),
    addressOf: (array) => koffi.address(array),
  };
}
