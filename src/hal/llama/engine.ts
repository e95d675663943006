/**
 * Opens the native engine on the configured device. A device that is named has to work; `auto` takes whatever works
 * and says why it came down to the CPU. Everything the engine has to say goes to the log, never to stdout or stderr.
 */

import { availableParallelism } from 'node:os';
import { format, stripVTControlCharacters } from 'node:util';
import {
  getLlama,
  getLlamaGpuTypes,
  LlamaLogLevel,
  NoBinaryFoundError,
  type Llama,
  type LlamaOptions,
} from 'node-llama-cpp';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { LogLevel } from '../../shared/protocol.js';
import type { EngineSettings } from '../../shared/settings.js';
import type { DriverInfo } from '../driver.js';

export type EngineLog = (level: LogLevel, message: string) => void;
export type GpuChoice = EngineSettings['gpu'];

export interface Engine {
  readonly llama: Llama;
  readonly device: DriverInfo['device'];
  /** What the engine complained about since it was last asked: the reasons behind its terse errors. */
  takeComplaints(): string;
}

const maxKeptComplaints = 8;

/** One thread is left to everything else: with all cores busy, the engine's spinning threads wait for each other. */
export function threadCount(setting: number): number {
  return setting > 0 ? setting : Math.max(1, availableParallelism() - 1);
}

/**
 * One engine a process: its native part has a single log, which the first engine keeps.
 * @throws KernelError `deviceFailed` when the named device does not work, or none does
 */
export async function openEngine(gpu: GpuChoice, threads: number, log: EngineLog): Promise<Engine> {
  const complaints = new Complaints();
  const report = (text: string, isComplaint: boolean): void => {
    if (isAboutRounding(text)) return;
    if (isComplaint) complaints.add(text);
    log(isComplaint ? 'warn' : 'info', `engine: ${text}`);
  };
  const isSevere = (level: LlamaLogLevel): boolean =>
    level === LlamaLogLevel.error || level === LlamaLogLevel.fatal;
  const options: LlamaOptions = {
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    gpu: gpu === 'cpu' ? false : gpu,
    logLevel: LlamaLogLevel.warn,
    logger: (level, message) => report(message.trim(), isSevere(level)),
    maxThreads: threads,
  };
  const llama = await withoutConsole(
    () => getLlama(options),
    (text) => report(text, true),
  ).catch((error: unknown) => {
    throw notRunning(gpu, complaints.take() || reasonOf(error), error);
  });
  const device = llama.gpu === false ? 'cpu' : llama.gpu;
  // Asked for a device that does not exist on this platform, the engine takes another one.
  if (gpu !== 'auto' && gpu !== device) {
    await llama.dispose();
    throw notRunning(gpu, complaints.take() || `${device} is what it found`);
  }
  if (gpu === 'auto' && device === 'cpu') log('info', `the model runs on the CPU: ${await whyNoGpu()}`);
  return { llama, device, takeComplaints: () => complaints.take() };
}

/**
 * The cells of a slot are rounded up, so the engine always has more of them than a model that is used to its end was
 * trained for. Whether the window itself is larger is judged, and said, where the model is loaded.
 */
const isAboutRounding = (text: string): boolean => /n_ctx_seq \(\d+\) > n_ctx_train/.test(text);

const reasonOf = (error: unknown): string =>
  error instanceof NoBinaryFoundError ? 'no build of it works here' : messageOf(error);

function notRunning(gpu: GpuChoice, reason: string, cause?: unknown): KernelError {
  const device = gpu === 'auto' ? 'any device of this machine' : gpu;
  return new KernelError('deviceFailed', `the engine does not run on ${device}: ${reason}`, { cause });
}

/** The last few of what the engine complained about, each once, without the names of its functions. */
class Complaints {
  readonly #texts = new Set<string>();

  add(text: string): void {
    this.#texts.add(text.replace(/^\w+: /, ''));
    const [oldest] = this.#texts;
    if (this.#texts.size > maxKeptComplaints && oldest !== undefined) this.#texts.delete(oldest);
  }

  take(): string {
    const texts = [...this.#texts].join('; ');
    this.#texts.clear();
    return texts;
  }
}

/** While it looks for a working build, the engine writes to the console and not to its logger. */
async function withoutConsole<T>(work: () => Promise<T>, report: (text: string) => void): Promise<T> {
  const { error, warn, info } = console;
  const write = (...values: unknown[]): void => report(stripVTControlCharacters(format(...values)));
  Object.assign(console, { error: write, warn: write, info: write });
  try {
    return await work();
  } finally {
    Object.assign(console, { error, warn, info });
  }
}

async function whyNoGpu(): Promise<string> {
  const usable = (await getLlamaGpuTypes('supported')).filter((type) => type !== false);
  if (usable.length === 0) return 'no GPU with a driver was found';
  return `a driver for ${usable.join(' and ')} was found, but no engine built for it runs here`;
}
