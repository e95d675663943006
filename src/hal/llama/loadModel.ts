/**
 * Brings a model up: judges its file and the settings, opens the engine, loads the weights, makes the context and
 * proves with one token that the device computes. Each thing that can be wrong is found before the one that depends
 * on it and has its own error; whatever was opened is closed again when a later step fails. Nothing is reduced to
 * make it fit.
 */

import { freemem } from 'node:os';
import { InsufficientMemoryError, type LlamaContext, type LlamaModel } from 'node-llama-cpp';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { EngineSettings } from '../../shared/settings.js';
import type { DriverInfo, StateFacts, Token } from '../driver.js';
import { createChatFormat, type ChatFormat } from './chatFormat.js';
import { openEngine, threadCount, type Engine, type EngineLog, type GpuChoice } from './engine.js';
import { checkMemory, outOfMemory, type MemoryBudget } from './memoryBudget.js';
import { inspectModelFile, type ModelFile } from './modelFile.js';
import { checkKvType, kvBytesPerToken, type KvType } from './modelShape.js';
import { orderOutputs } from './outputOrder.js';
import { LlamaSlot } from './slot.js';

/** The most a slot holds when the settings do not say: enough for coding tasks, and eight of them fit a laptop. */
const defaultContextTokens = 8192;
/** The context of a model that does not say what it was trained for. */
const unknownTrainedTokens = 4096;
/** A step carries a prefill slice of this size and one decode token of every slot. */
const prefillTokens = 512;
/** The engine allots the cells of a sequence in blocks. */
const cellBlock = 256;

/** A value cache that can be quantised needs it, and so does the layout of the engine's state files. */
const flashAttention = true;

/** How the GGUF format marks a control token. */
const controlTokenType = 3;

const engineKvTypes = {
  f16: 'F16',
  f32: 'F32',
  bf16: 'BF16',
  q8_0: 'Q8_0',
  q4_0: 'Q4_0',
} as const satisfies Readonly<Record<KvType, string>>;

export interface LoadedModel {
  readonly info: DriverInfo;
  readonly engine: Engine;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly slots: readonly LlamaSlot[];
  readonly chatFormat: ChatFormat;
}

export async function loadModel(settings: EngineSettings, log: EngineLog): Promise<LoadedModel> {
  const file = await inspectModelFile(settings.model);
  checkKvType(file.shape, settings.kvType);
  try {
    return await openOn(settings.gpu, settings, file, log);
  } catch (error) {
    if (settings.gpu !== 'auto' || !(error instanceof GpuFailure)) throw causeOf(error);
    log('warn', `the model runs on the CPU, since ${error.device} failed: ${messageOf(error.cause)}`);
    return openOn('cpu', settings, file, log);
  }
}

/** The device was there but could not run the model; the CPU may. */
class GpuFailure extends Error {
  readonly device: string;

  constructor(device: string, cause: unknown) {
    super(`${device} failed`, { cause });
    this.device = device;
  }
}

const causeOf = (error: unknown): unknown => (error instanceof GpuFailure ? error.cause : error);

async function openOn(
  gpu: GpuChoice,
  settings: EngineSettings,
  file: ModelFile,
  log: EngineLog,
): Promise<LoadedModel> {
  const threads = threadCount(settings.threads);
  const engine = await openEngine(gpu, threads, log);
  try {
    const loaded = await assemble(engine, planFor(settings, file, threads), log);
    log('info', `${loaded.info.model} runs on ${loaded.info.device} with ${threads} threads`);
    return loaded;
  } catch (error) {
    await engine.llama.dispose();
    throw engine.device === 'cpu' ? error : new GpuFailure(engine.device, error);
  }
}

/** Everything about the load that follows from settings and file. */
interface LoadPlan {
  readonly file: ModelFile;
  readonly kvType: KvType;
  readonly slots: number;
  readonly contextTokens: number;
  /** Cells of one slot: the engine keeps one of its own beyond the tokens. */
  readonly cells: number;
  readonly threads: number;
}

function planFor(settings: EngineSettings, file: ModelFile, threads: number): LoadPlan {
  const trained = file.shape.trainedTokens ?? unknownTrainedTokens;
  const contextTokens =
    settings.contextTokens > 0 ? settings.contextTokens : Math.min(trained, defaultContextTokens);
  const cells = Math.ceil((contextTokens + 1) / cellBlock) * cellBlock;
  return { file, kvType: settings.kvType, slots: settings.slots, contextTokens, cells, threads };
}

async function assemble(engine: Engine, plan: LoadPlan, log: EngineLog): Promise<LoadedModel> {
  const { file, contextTokens } = plan;
  const trained = file.shape.trainedTokens;
  if (trained !== undefined && contextTokens > trained) {
    log(
      'warn',
      `contextTokens ${contextTokens} is more than the ${trained} that ${file.name} was trained for`,
    );
  }
  const budget = await budgetFor(engine, plan);
  checkMemory(budget);
  const model = await loadWeights(engine, plan, budget);
  reportOffload(engine, model, log);
  const context = await createContext(engine, model, plan, budget);
  orderOutputs(context);
  const slots = Array.from({ length: plan.slots }, (_, id) => new LlamaSlot(id, context));
  await proveDecoding(engine, model, slots[0]);
  const info: DriverInfo = {
    driver: 'llama',
    model: file.name,
    modelPath: file.path,
    modelBytes: file.bytes,
    device: engine.device,
    slots: plan.slots,
    contextTokens,
    kvBytesPerToken: kvBytesPerToken(file.shape, plan.kvType),
    batchTokens: context.batchSize,
    // The types of cache whose keys cannot be turned were refused before.
    canRearrange: file.shape.hasMovableKeys && slots.every(({ hasCells }) => hasCells),
    state: stateFactsOf(engine, plan),
  };
  return { info, engine, model, context, slots, chatFormat: chatFormatOf(model, file, log) };
}

function stateFactsOf(engine: Engine, { file, kvType, slots }: LoadPlan): StateFacts {
  const { shape } = file;
  return {
    model: file.fingerprint,
    engine: `llama.cpp ${engine.llama.llamaCppRelease.release}`,
    keyType: kvType,
    valueType: kvType,
    layers: shape.layers,
    keyValueHeads: shape.kvHeads,
    headDim: shape.keyLength,
    valueHeadDim: shape.valueLength,
    flashAttention,
    streams: slots,
  };
}

async function budgetFor(engine: Engine, plan: LoadPlan): Promise<MemoryBudget> {
  const vram = await engine.llama.getVramState();
  const ownVram = vram.unifiedSize > 0 ? 0 : vram.free;
  return {
    modelBytes: plan.file.bytes,
    kvBytes: kvBytesPerToken(plan.file.shape, plan.kvType) * plan.cells * plan.slots,
    slots: plan.slots,
    contextTokens: plan.contextTokens,
    freeBytes: (await freeMemory(engine)) + ownVram,
  };
}

/**
 * What the system would give away. macOS counts the files it keeps in memory as used, and the engine knows better; a
 * container has a limit of its own.
 */
async function freeMemory(engine: Engine): Promise<number> {
  const { free } = await engine.llama.getRamState();
  const limit = process.constrainedMemory();
  return Math.min(Math.max(free, freemem()), limit > 0 ? limit : Infinity);
}

async function loadWeights(engine: Engine, plan: LoadPlan, budget: MemoryBudget): Promise<LlamaModel> {
  try {
    return await engine.llama.loadModel({
      modelPath: plan.file.path,
      gpuLayers: { fitContext: { contextSize: plan.cells * plan.slots } },
      defaultContextFlashAttention: true,
      defaultContextSwaFullCache: true,
    });
  } catch (error) {
    if (error instanceof InsufficientMemoryError) throw outOfMemory(budget, error);
    const reason = engine.takeComplaints() || messageOf(error);
    throw new KernelError('modelUnusable', `the engine refuses ${plan.file.path}: ${reason}`, {
      cause: error,
    });
  }
}

function reportOffload(engine: Engine, model: LlamaModel, log: EngineLog): void {
  const layers = model.fileInsights.totalLayers;
  if (engine.device !== 'cpu' && model.gpuLayers < layers) {
    log('warn', `only ${model.gpuLayers} of ${layers} layers fit into the memory of ${engine.device}`);
  }
}

async function createContext(
  engine: Engine,
  model: LlamaModel,
  plan: LoadPlan,
  budget: MemoryBudget,
): Promise<LlamaContext> {
  const kvType = engineKvTypes[plan.kvType];
  try {
    return await model.createContext({
      sequences: plan.slots,
      contextSize: plan.cells,
      batchSize: prefillTokens + plan.slots,
      threads: plan.threads,
      flashAttention,
      // Without it, models with a sliding window forget the prefixes that agents come back to.
      swaFullCache: true,
      experimentalKvCacheKeyType: kvType,
      experimentalKvCacheValueType: kvType,
      batching: { itemPrioritizationStrategy: 'firstInFirstOut' },
      failedCreationRemedy: false,
    });
  } catch (error) {
    const complaints = engine.takeComplaints();
    if (error instanceof InsufficientMemoryError || /alloc|out of memory/i.test(complaints)) {
      throw outOfMemory(budget, error);
    }
    const reason = complaints || messageOf(error);
    throw new KernelError(
      'deviceFailed',
      `the engine cannot make a context for ${plan.file.name}: ${reason}`,
      {
        cause: error,
      },
    );
  }
}

/** A device that loads a model need not be able to run it: one token tells, before anybody waits for an answer. */
async function proveDecoding(engine: Engine, model: LlamaModel, slot: LlamaSlot | undefined): Promise<void> {
  const token: number | undefined = model.tokens.bos ?? model.tokens.eos ?? model.tokenize('a')[0];
  if (slot === undefined || token === undefined) return;
  try {
    await slot.evaluate([token as Token], undefined);
    await slot.truncate(0);
  } catch (error) {
    const reason = engine.takeComplaints() || messageOf(error);
    throw new KernelError('deviceFailed', `${engine.device} cannot run the model: ${reason}`, {
      cause: error,
    });
  }
}

function chatFormatOf(model: LlamaModel, file: ModelFile, log: EngineLog): ChatFormat {
  const { bosString, eosString, shouldPrependBosToken } = model.tokens;
  return createChatFormat({
    template: file.shape.chatTemplate,
    bosText: bosString ?? undefined,
    eosText: eosString ?? undefined,
    prependBos: shouldPrependBosToken,
    controlTexts: controlTextsOf(model),
    warn: (message) => log('warn', message),
  });
}

/** Texts of the tokens that steer the model and that no file or tool may speak. */
function controlTextsOf(model: LlamaModel): string[] {
  const { tokens, token_type } = model.fileInfo.metadata.tokenizer.ggml;
  const types: readonly number[] = token_type;
  return tokens.filter((_text, index) => types[index] === controlTokenType);
}
