/**
 * How long a device takes for a step and for moving attention state, as a model with a few coefficients fitted to
 * what really ran: what a simulation moves its clock by. Linear in what the device has to do, so that least squares
 * fit it and anybody can read it. It promises the time of a device at rest, never its noise.
 */

import type { SimulatedOptions, StepPart } from './simulated.js';

/** Times in ms; none is negative. */
export interface DeviceProfile {
  readonly model: string;
  readonly device: string;
  readonly kvBytesPerToken: number;
  /** In the order of `featuresOf`. */
  readonly stepMs: readonly number[];
  readonly save: MoveProfile;
  readonly load: MoveProfile;
  /** Root of the mean square of the relative error, over the steps that were measured. */
  readonly relativeError: number;
}

/** Writing or reading the state of one slot. */
export interface MoveProfile {
  readonly fixedMs: number;
  readonly tokenMs: number;
}

/** From so many tokens of a sequence on, engines compute attention in tiles, which costs about half. */
const tileTokens = 64;

/**
 * What a step costs by: itself, once (a pass over the weights); its prompt tokens; its sequences that decode; and
 * thousands of tokens looked back at, by few tokens of a sequence at a time and by many.
 */
export function featuresOf(parts: readonly StepPart[]): number[] {
  let [prefillTokens, decodes, byFew, byMany] = [0, 0, 0, 0];
  for (const { count, resident } of parts) {
    if (count === 1) decodes++;
    else prefillTokens += count;
    // Each looks back at what is resident, at those before it, and at itself.
    const attended = (count * resident + (count * (count + 1)) / 2) / 1000;
    if (count < tileTokens) byFew += attended;
    else byMany += attended;
  }
  return [1, prefillTokens, decodes, byFew, byMany];
}

type Costs = Required<Pick<SimulatedOptions, 'costMs' | 'saveMs' | 'loadMs' | 'kvBytesPerToken'>>;

/** A device of this profile, as the simulated driver asks for it. */
export function costsOf({ stepMs, save, load, kvBytesPerToken }: DeviceProfile): Costs {
  return {
    kvBytesPerToken,
    costMs: (_prefillTokens, _decodes, parts) =>
      featuresOf(parts).reduce((sum, amount, index) => sum + amount * (stepMs[index] ?? 0), 0),
    saveMs: (tokens) => save.fixedMs + tokens * save.tokenMs,
    loadMs: (tokens) => load.fixedMs + tokens * load.tokenMs,
  };
}
