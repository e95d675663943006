/**
 * Keeps the sequences of a batch from reading one another's results. llama.cpp may compute a batch in another order
 * than it was given, and puts its output rows back into order when the first of them is read (`output_reorder` in
 * llama-context.cpp, called by `llama_get_logits_ith`). node-llama-cpp samples the sequences of a batch on several
 * threads at once, so that two of them may swap rows at the same time: then an agent goes on with another agent's
 * token. Here the first read of a batch is over before the others begin; those still run side by side.
 *
 * It wraps two methods of the library's native context, which are not public: it belongs to the one pinned release,
 * and refuses a release that has not got them.
 */

import type { LlamaContext } from 'node-llama-cpp';
import { KernelError } from '../../shared/errors.js';

type NativeMethod = (...args: readonly unknown[]) => Promise<unknown>;

interface NativeContext {
  readonly decodeBatch: NativeMethod;
  readonly sampleToken: NativeMethod;
}

/** @throws KernelError `bug` when the library is another release than the one this was made for. */
export function orderOutputs(context: LlamaContext): void {
  const native = nativeContextOf(context);
  const decodeBatch = native.decodeBatch.bind(native);
  const sampleToken = native.sampleToken.bind(native);
  let first: Promise<unknown> | undefined;
  // Own properties: those of the native prototype cannot be written.
  const define = (name: keyof NativeContext, value: NativeMethod): void => {
    Object.defineProperty(native, name, { value, configurable: true });
  };
  define('decodeBatch', (...args) => {
    first = undefined;
    return decodeBatch(...args);
  });
  define('sampleToken', (...args) => {
    if (first === undefined) {
      first = sampleToken(...args);
      return first;
    }
    // Whatever became of the first one, its read is over.
    const next = (): Promise<unknown> => sampleToken(...args);
    return first.then(next, next);
  });
}

function nativeContextOf(context: LlamaContext): NativeContext {
  const { _ctx: native } = context as unknown as { _ctx?: Partial<NativeContext> };
  if (typeof native?.decodeBatch !== 'function' || typeof native.sampleToken !== 'function') {
    throw new KernelError('bug', 'the engine library is not the release that this program was built for');
  }
  return native as NativeContext;
}
