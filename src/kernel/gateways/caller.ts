/** Who calls through a gateway, and what a gateway adds to the kernel's HTTP server. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PriorityClass } from '../../shared/agentDefinition.js';

/** A client program that showed its token. Its agents share the device as one user's. */
export interface Caller {
  /** Stable over restarts; the scheduler's user, the audit log's name. */
  readonly id: string;
  /** As the person named it. */
  readonly name: string;
  /** The most urgent class that its requests may ask for. */
  readonly mostUrgent: PriorityClass;
}

export interface Gateway extends AsyncDisposable {
  /** Paths it answers: one that ends in `/` stands for everything below it. */
  readonly paths: readonly string[];
  /** The body of an error, in the form of its protocol, for what the server refuses before it comes to `handle`. */
  readonly errorForm?: (refusal: {
    readonly status: number;
    readonly code: string;
    readonly message: string;
  }) => object;
  /**
   * Token, Origin and Host were checked, and the body's declared length. Must answer every request, its own errors
   * included, in the form of its protocol.
   * @param signal aborted when the caller has gone or the kernel ends
   */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<void>;
}
