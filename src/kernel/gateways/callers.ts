/**
 * The programs that may call, by the token that each of them shows. Only hashes of tokens are here, so that nothing in
 * this process can show one again; looking one up takes the same time whoever it is.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { Emitter } from '../../shared/emitter.js';
import type { GatewayClient } from '../../shared/protocol.js';
import type { Caller } from './caller.js';

interface Known {
  readonly caller: Caller;
  readonly hash: Buffer;
}

export class Callers {
  #known: readonly Known[] = [];
  readonly #revoked = new Emitter<Caller>();

  /** A program whose token holds no more. What it is at ends. */
  readonly onDidRevoke = this.#revoked.event;

  /** From now on these, and nobody else. */
  replace(clients: readonly GatewayClient[]): void {
    const before = this.#known;
    this.#known = clients.map(({ tokenHash, ...caller }) => ({
      caller,
      hash: Buffer.from(tokenHash, 'hex'),
    }));
    for (const { caller, hash } of before) {
      const isStillKnown = this.#known.some((each) => each.caller.id === caller.id && each.hash.equals(hash));
      if (!isStillKnown) this.#revoked.fire(caller);
    }
  }

  /** @param authorization the header's value */
  find(authorization: string | undefined): Caller | undefined {
    const [, token = ''] = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '') ?? [];
    const shown = createHash('sha256').update(token).digest();
    let found: Caller | undefined;
    for (const { caller, hash } of this.#known) if (timingSafeEqual(hash, shown)) found = caller;
    return found;
  }
}
