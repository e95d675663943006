/** How often somebody may come: a bucket of so many tokens, refilled at a steady rate. It reads no clock itself. */

import type { Clock } from '../../hal/clock.js';
import type { GatewayLimits } from './limits.js';

export class RateLimit {
  readonly #limits: Pick<GatewayLimits, 'burst' | 'perSecond'>;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock, limits: Pick<GatewayLimits, 'burst' | 'perSecond'>) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** 0 when it may come now, else the seconds after which it may. */
  take(who: string): number {
    const { burst, perSecond } = this.#limits;
    const now = this.#clock.now();
    const bucket = this.#buckets.get(who) ?? { tokens: burst, at: now };
    const refilled = bucket.tokens + ((now - bucket.at) / 1000) * perSecond;
    const tokens = Math.min(burst, refilled);
    const isFree = tokens >= 1;
    this.#buckets.set(who, { tokens: isFree ? tokens - 1 : tokens, at: now });
    return isFree ? 0 : (1 - tokens) / perSecond;
  }
}
