/**
 * Disposal. Whoever creates, disposes: scoped things by `using`, long-lived ones by a DisposableStore.
 * A store disposes in reverse order, goes on when one throws, and disposes late additions at once, so that a race
 * between an `await` and teardown cannot leak (the idea is xterm.js' and VS Code's).
 */

export interface Disposable {
  dispose(): void;
}

export class DisposableStore implements Disposable {
  #items: Disposable[] = [];
  #disposed = false;

  add<T extends Disposable>(item: T): T {
    if (this.#disposed) item.dispose();
    else this.#items.push(item);
    return item;
  }

  /** Runs `undo` when the store is disposed. */
  defer(undo: () => void): void {
    this.add({ dispose: undo });
  }

  /** @throws AggregateError after everything was disposed, when some of it threw. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const failures: unknown[] = [];
    for (const item of this.#items.reverse()) {
      try {
        item.dispose();
      } catch (error) {
        failures.push(error);
      }
    }
    this.#items = [];
    if (failures.length > 0) throw new AggregateError(failures, 'some disposals failed');
  }
}

/** The same for what takes time to take down: one after the other, last built first. */
export class AsyncDisposableStore implements AsyncDisposable {
  #undos: (() => unknown)[] = [];

  use<T extends AsyncDisposable>(item: T): T {
    this.defer(() => item[Symbol.asyncDispose]());
    return item;
  }

  /** Runs `undo`, and waits for it, when the store is disposed. */
  defer(undo: () => unknown): void {
    this.#undos.push(undo);
  }

  /** @throws AggregateError after everything was taken down, when some of it threw. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some parts could not be taken down');
  }
}
