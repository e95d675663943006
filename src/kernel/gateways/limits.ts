/** Limits of the gateways, each with its reason. Units are in the names. */

export const gatewayLimits = {
  /** A long conversation with its tools; the context of no model here holds more. */
  bodyBytes: 4 * 1024 * 1024,
  /** Who takes longer to say what it wants, or says nothing, holds a connection for nothing. */
  headersMs: 10_000,
  requestMs: 30_000,
  /** Between two requests on one connection. */
  idleMs: 60_000,
  /** How often connections are looked at. */
  checkMs: 1_000,
  connections: 512,
  /** Of one caller at once. */
  openRequests: 256,
  /** Of one caller: so many at once, then so many a second. */
  burst: 400,
  perSecond: 100,
  /** What may wait for a reader that is slower than the model. */
  unsentBytes: 1024 * 1024,
  /** Conversations that are kept between two requests, of all callers together. */
  idleConversations: 64,
  /** After that, nobody is expected to come back. */
  conversationIdleMs: 600_000,
} as const;

export type GatewayLimits = { readonly [K in keyof typeof gatewayLimits]: number };
