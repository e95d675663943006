/** What one tool call wanted and how each wish was decided, summed up for its report. */

import type { Capability } from '../../shared/capability.js';
import type { Decision } from '../../shared/protocol.js';

const strongestFirst: readonly Capability[] = ['fs.write', 'process.run', 'fs.read'];

export class AccessRecord {
  readonly #first = new Map<Capability, Decision>();
  #denied: Capability | undefined;

  note(capability: Capability, decision: Decision): void {
    if (decision === 'denied') this.#denied ??= capability;
    // The first decision is how the right was come by; later uses of it are mere consequences.
    else if (!this.#first.has(capability)) this.#first.set(capability, decision);
  }

  /** The first capability that was refused, else the strongest that was used. */
  summary(): { readonly capability: Capability | null; readonly decision: Decision } {
    if (this.#denied !== undefined) return { capability: this.#denied, decision: 'denied' };
    const capability = strongestFirst.find((each) => this.#first.has(each));
    if (capability === undefined) return { capability: null, decision: 'none' };
    return { capability, decision: this.#first.get(capability) ?? 'none' };
  }
}
