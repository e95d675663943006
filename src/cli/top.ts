/**
 * `amk top`: the agents of a running kernel, again and again. In a terminal it takes the whole screen and gives it
 * back however it ends; elsewhere it prints once, or a line of JSON a look. It keeps no agent from its work: when it
 * ends, they go on.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachedKernel } from '../client/attach.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import { withKernel, type ControlHost } from './control.js';
import type { TopCommand } from './controlCommandLine.js';
import { openKeyboard } from './keyboard.js';
import { LiveScreen, type TerminalOutput } from './liveScreen.js';
import { measure } from './presentation.js';
import { exitStatus } from './report.js';
import { TopModel, type TopAction } from './topModel.js';
import { plainTop, renderTop, topDocument } from './topView.js';

type Terminal = NonNullable<ControlHost['terminal']>;

/** @throws KernelError `kernelStopped` when there is no kernel, or when it ends meanwhile */
export function top(command: TopCommand, host: ControlHost): Promise<number> {
  return withKernel(command, host, async (kernel) => {
    const [info, usage] = await Promise.all([kernel.call('info', null), kernel.call('ping', null)]);
    const model = new TopModel(kernel.descriptor, info, usage);
    const watch = new Watch(kernel, model, command.intervalMs);
    const interruption = host.onInterrupt(() => watch.end(exitStatus.interrupted));
    try {
      if (command.json || command.once || host.terminal === undefined) await print(watch, command, host);
      else await show(watch, host.terminal, host);
      return watch.status;
    } finally {
      interruption.dispose();
    }
  });
}

/** Keeps the model true to the kernel until somebody has seen enough. */
class Watch {
  readonly model: TopModel;
  status: number = exitStatus.ok;
  readonly #kernel: AttachedKernel;
  readonly #intervalMs: number;
  readonly #wake = new AbortController();
  #hasEnded = false;

  constructor(kernel: AttachedKernel, model: TopModel, intervalMs: number) {
    this.#kernel = kernel;
    this.model = model;
    this.#intervalMs = intervalMs;
    // The next look finds out, and says so.
    kernel.onClose(() => this.#wake.abort());
  }

  /** Somebody has seen enough. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  end(status: number): void {
    this.status = status;
    this.#hasEnded = true;
    this.#wake.abort();
  }

  /** @throws KernelError */
  async look(): Promise<void> {
    const [rows, usage] = await Promise.all([
      this.#kernel.call('list', null),
      this.#kernel.call('ping', null),
    ]);
    this.model.sampled(rows, usage, performance.now());
  }

  /** Until the next look is due, or the end. */
  async wait(): Promise<void> {
    await sleep(this.#intervalMs, undefined, { signal: this.#wake.signal }).catch(() => undefined);
  }

  /** Calls the kernel for a key; what becomes of it is said in the last line. */
  async act({ call, input }: TopAction): Promise<void> {
    try {
      if (call === 'renice') await this.#kernel.call(call, input);
      else await this.#kernel.call(call, input);
      await this.look();
    } catch (error) {
      this.model.say('error', messageOf(error));
    }
  }

  followRows(onChange: () => void): Disposable {
    return this.#kernel.on('agentsChanged', ({ rows }) => {
      this.model.rowsChanged(rows);
      onChange();
    });
  }
}

/** Rates need two looks, so the first is shown to nobody. */
async function print(watch: Watch, { json, once }: TopCommand, host: ControlHost): Promise<void> {
  const { columns, style } = host.page;
  await watch.look();
  do {
    await watch.wait();
    if (watch.hasEnded) return;
    await watch.look();
    const view = watch.model.view();
    if (!json) await host.writeResult(plainTop(view, columns, style, Date.now()));
    else await host.writeResult(`${JSON.stringify(topDocument(view), null, once ? 2 : undefined)}\n`);
  } while (json && !once);
}

const keyNames: Readonly<Record<string, string>> = {
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\u001b[H': 'home',
  '\u001bOH': 'home',
  '\u001b[1~': 'home',
  '\u001b[F': 'end',
  '\u001bOF': 'end',
  '\u001b[4~': 'end',
  '\u001b[5~': 'pageUp',
  '\u001b[6~': 'pageDown',
  '\u001b[18~': 'f7',
  '\u001b[19~': 'f8',
};

async function show(
  watch: Watch,
  { output, input }: Terminal,
  { page: { style } }: ControlHost,
): Promise<void> {
  const { model } = watch;
  const store = new DisposableStore();
  store.add(takeScreen(output));
  const screen = store.add(
    new LiveScreen(output, (columns, lines) =>
      renderTop(model.view(), { columns: columns - 1, lines }, style, Date.now()).map(measure),
    ),
  );
  const press = (key: string): void => {
    const request = model.press(key);
    screen.changed();
    if (request === 'quit') watch.end(exitStatus.ok);
    else if (request !== undefined) void watch.act(request).then(() => screen.changed());
  };
  store.add(
    openKeyboard(input, {
      onKey: press,
      onInterrupt: () => watch.end(exitStatus.ok),
      onSequence: (sequence) => press(keyNames[sequence] ?? ''),
    }),
  );
  store.add(watch.followRows(() => screen.changed()));
  try {
    await refresh(watch, () => screen.changed());
  } finally {
    store.dispose();
  }
}

/** A kernel that is slow to answer may answer again; one that is gone is the end. */
async function refresh(watch: Watch, onChange: () => void): Promise<void> {
  let isSilent = false;
  while (!watch.hasEnded) {
    try {
      await watch.look();
      if (isSilent) watch.model.unsay('error');
      isSilent = false;
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'peerGone') throw error;
      watch.model.say('error', error.message);
      isSilent = true;
    }
    onChange();
    await watch.wait();
  }
}

const alternateScreen = '\u001b[?1049h\u001b[H';
const usualScreen = '\u001b[?1049l';

/** What was on the terminal comes back when this is disposed, or when the process ends. */
function takeScreen(output: TerminalOutput): Disposable {
  const giveBack = (): void => {
    process.off('exit', giveBack);
    output.write(usualScreen);
  };
  process.once('exit', giveBack);
  output.write(alternateScreen);
  return { dispose: giveBack };
}
