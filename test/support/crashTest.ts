// A kernel that is killed again and again while its agents work: what the crash test and its short form in test/model
// share. Agents are spawned in rounds, each round in a fresh copy of a small workspace; a kernel is killed at a random
// time after it was started, be it at boot or at work, and what becomes of the round is compared with a run that
// nobody disturbed.

import { cp, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { KernelProcess } from '../../src/client/kernelProcess.js';
import { builtInAgents } from '../../src/shared/agentDefinition.js';
import { scopeOf } from '../../src/shared/capability.js';
import { KernelError, messageOf } from '../../src/shared/errors.js';
import type { AgentReport, Pid, SpawnRequest } from '../../src/shared/protocol.js';
import { defaultEngineSettings, type Quantisation } from '../../src/shared/settings.js';
import { listProcesses } from './processes.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const kernelPath = fromRoot('dist/kernel.js');

/**
 * The last one changes a file. The model's answer to each is the same whoever computes beside it: where two tokens are
 * nearly equal, the rounding of a batch decides, and no crash is needed for another answer. None lists a folder: there a
 * write that was cut off leaves its temporary file.
 */
const tasks = [
  'Where is parseEntries defined?',
  'What does src/money.ts export?',
  'Where is Ledger defined?',
  'Where is taxOf defined?',
  'Where is roundHalfEven defined?',
  'What else does the file that defines taxOf export?',
  'Rename calcTotal to totalOf in src/report.ts.',
] as const;
const changedFile = 'src/report.ts';

/** One kernel in so many dies while it starts, within this time; the others at work, within that. */
const bootDeathsIn = 5;
const maxBootMs = 1_000;
const maxWorkMs = 1_200;

/** The longest that a person takes to allow what an agent asks for. */
const maxPersonMs = 600;

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** Of a round. */
  readonly agents: number;
  /**
   * How snapshots are kept. Answers are compared word by word with those of a run that nobody disturbed, so `f16`,
   * which loses nothing, tests the machinery; with the others a small model may choose another word.
   */
  readonly quantisation?: Quantisation;
  readonly onProgress?: (counts: CrashCounts) => void;
}

export interface CrashCounts {
  readonly kills: number;
  readonly agents: number;
  /** How often an agent went on in the next kernel. */
  readonly resumed: number;
  readonly fromSnapshot: number;
  /** Calls that may have changed something, and whose agents were told to look. */
  readonly interrupted: number;
  readonly lost: number;
  readonly wrong: number;
  readonly corrupt: number;
}

export interface CrashOutcome extends CrashCounts {
  /** What is counted as lost, wrong or corrupt, in words. */
  readonly faults: readonly string[];
}

type Fault = 'lost' | 'wrong' | 'corrupt';

export async function crashTest(options: CrashOptions): Promise<CrashOutcome> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'amk-crash-')));
  const run = new CrashRun(options, root);
  try {
    return await run.run();
  } finally {
    await run.dispose();
    await rm(root, { recursive: true, force: true });
  }
}

class CrashRun {
  readonly #options: CrashOptions;
  readonly #root: string;
  readonly #random: () => number;
  readonly #kernel: KernelProcess;
  readonly #counts = {
    kills: 0,
    agents: 0,
    resumed: 0,
    fromSnapshot: 0,
    interrupted: 0,
    lost: 0,
    wrong: 0,
    corrupt: 0,
  };
  readonly #faults: string[] = [];
  readonly #spawned = new Set<Pid>();
  #isKilling = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CrashOptions, root: string) {
    this.#options = options;
    this.#root = root;
    this.#random = randomFrom(options.seed);
    this.#kernel = new KernelProcess({
      kernelPath,
      engine: () => ({
        ...defaultEngineSettings,
        ...{ gpu: 'cpu', slots: 4, snapshotQuantisation: options.quantisation ?? 'f16' },
      }),
      // The person behind it allows what is asked for; a right does not outlive its kernel, so it is asked again.
      handlers: {
        askPermission: async ({ access }) => {
          await sleep(this.#random() * maxPersonMs);
          return { kind: 'allow', lifetime: 'run', scope: scopeOf(access) };
        },
      },
      state: () => ({ dir: join(root, 'state'), resume: 'run' }),
      limits: { restartBackoffMs: Array.from({ length: options.kills + 10 }, () => 0) },
    });
    this.#listen();
  }

  async run(): Promise<CrashOutcome> {
    const expected = await this.#undisturbed();
    this.#isKilling = true;
    this.#scheduleKill(maxWorkMs);
    for (let round = 0; this.#counts.kills < this.#options.kills; round++) {
      await this.#round(`round-${round}`, expected);
    }
    return { ...this.#counts, faults: this.#faults };
  }

  async dispose(): Promise<void> {
    this.#isKilling = false;
    clearTimeout(this.#timer);
    await this.#kernel.dispose();
  }

  #listen(): void {
    this.#kernel.on('log', ({ level, message }) => {
      if (message.includes('goes on from a snapshot')) this.#counts.fromSnapshot++;
      else if (/cannot be used|set aside|(broken|unreadable) part/.test(message))
        this.#fault('corrupt', message);
      else if (level !== 'info' && !message.includes('torn part'))
        this.#fault('wrong', `the kernel says: ${message}`);
    });
    this.#kernel.on('agentsResumed', ({ rows }) => (this.#counts.resumed += rows.length));
    this.#kernel.on('stateChanged', ({ name }) => {
      if (name === 'restarting' && this.#random() * bootDeathsIn < 1) this.#scheduleKill(maxBootMs);
      else if (name === 'running') this.#scheduleKill(maxWorkMs);
    });
  }

  /** Kills the kernel some time from now; an earlier plan to do so is dropped. */
  #scheduleKill(maxMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isKilling || this.#counts.kills >= this.#options.kills) return;
    this.#timer = setTimeout(() => void this.#kill(maxMs), this.#random() * maxMs);
  }

  async #kill(maxMs: number): Promise<void> {
    const kernels = (await listProcesses()).filter(
      ({ parent, command }) => parent === process.pid && command.includes(kernelPath),
    );
    const [kernel] = kernels;
    if (kernel === undefined) {
      this.#scheduleKill(maxMs);
      return;
    }
    process.kill(kernel.pid, 'SIGKILL');
    this.#counts.kills++;
    this.#options.onProgress?.(this.#counts);
  }

  /** The answers to compare with. */
  async #undisturbed(): Promise<ReadonlyMap<string, string>> {
    await this.#kernel.start();
    const root = await this.#workspace('undisturbed');
    const reports = await Promise.all(tasks.map(async (task) => await this.#runOne(task, root)));
    return new Map(reports.map(({ task, answer }) => [task, answer]));
  }

  async #round(name: string, expected: ReadonlyMap<string, string>): Promise<void> {
    const root = await this.#workspace(name);
    const wanted = Array.from(
      { length: this.#options.agents },
      (_, index) => tasks[index % tasks.length] ?? '',
    );
    // One agent changes the file: two would see each other's work.
    const unique = wanted.filter(
      (task, index) => !task.startsWith('Rename') || wanted.indexOf(task) === index,
    );
    await Promise.all(unique.map((task) => this.#judge(task, root, expected)));
    await rm(root, { recursive: true, force: true });
  }

  async #judge(task: string, root: string, expected: ReadonlyMap<string, string>): Promise<void> {
    this.#counts.agents++;
    let report: AgentReport;
    try {
      report = await this.#runOne(task, root);
    } catch (error) {
      this.#fault('lost', `"${task}": ${messageOf(error)}`);
      return;
    }
    if (task.startsWith('Rename')) await this.#judgeChange(report, root, expected.get(task));
    else if (report.state !== 'answered' || report.answer !== expected.get(task)) {
      this.#fault('wrong', `"${task}": ${report.state}, ${report.answer || (report.error?.message ?? '')}`);
    }
  }

  /** A change that was interrupted is there or not, but whole; and who says that it is there is right. */
  async #judgeChange({ answer, state, task }: AgentReport, root: string, expected?: string): Promise<void> {
    const before = await readFile(join(fromRoot('test/fixtures/ledger'), changedFile), 'utf8');
    const now = await readFile(join(root, changedFile), 'utf8');
    const isDone = now === before.replaceAll('calcTotal', 'totalOf');
    const saysDone = state === 'answered' && answer === expected;
    if (!saysDone) this.#counts.interrupted++;
    if (isDone ? state === 'stopped' : now !== before || saysDone) {
      this.#fault('wrong', `"${task}": ${answer} and the file is ${isDone ? 'changed' : 'not'}`);
    }
  }

  async #runOne(task: string, root: string): Promise<AgentReport> {
    return await this.#kernel.wait(await this.#spawn(task, root));
  }

  /** A kernel that died before it told the pid may have journalled the agent all the same: then it is that one. */
  async #spawn(task: string, root: string): Promise<Pid> {
    const definition = builtInAgents.find(({ name }) => name === 'coder');
    if (definition === undefined) throw new Error('there is no coder');
    const request: SpawnRequest = { definition, task, workspace: { root, trusted: true }, grants: [] };
    for (;;) {
      await this.#kernel.start();
      try {
        const found = this.#kernel.rows.find((row) => row.task === task && !this.#spawned.has(row.pid));
        const pid = found?.pid ?? (await this.#kernel.call('spawn', request)).pid;
        this.#spawned.add(pid);
        return pid;
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'kernelStopped') throw error;
      }
    }
  }

  async #workspace(name: string): Promise<string> {
    const root = join(this.#root, name);
    await cp(fromRoot('test/fixtures/ledger'), root, { recursive: true });
    return root;
  }

  #fault(kind: Fault, text: string): void {
    this.#counts[kind]++;
    this.#faults.push(`${kind}: ${text}`);
  }
}

/** mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
