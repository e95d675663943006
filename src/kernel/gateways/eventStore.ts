/**
 * What a session sent over its streams, so that a client whose connection broke gets the rest when it comes back. It
 * keeps the latest events, within bounds, and dies with its session.
 */

import type { EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { mcpLimits } from '../../shared/limits.js';

interface KeptEvent {
  readonly stream: string;
  readonly message: JSONRPCMessage;
  readonly bytes: number;
}

export function createEventStore(): EventStore {
  // A map tells its entries in the order they came.
  const events = new Map<string, KeptEvent>();
  let [last, kept] = [0, 0];
  const forgetOldest = (): void => {
    for (const [id, { bytes }] of events) {
      if (events.size <= mcpLimits.keptEvents && kept <= mcpLimits.keptBytes) return;
      events.delete(id);
      kept -= bytes;
    }
  };
  return {
    storeEvent: (stream, message) => {
      const id = `${++last}`;
      const bytes = JSON.stringify(message).length;
      events.set(id, { stream, message, bytes });
      kept += bytes;
      forgetOldest();
      return Promise.resolve(id);
    },
    getStreamIdForEventId: (id) => Promise.resolve(events.get(id)?.stream),
    replayEventsAfter: async (after, { send }) => {
      const stream = events.get(after)?.stream;
      if (stream === undefined) throw new Error(`event ${after} is not kept any more`);
      for (const [id, event] of events) {
        if (event.stream === stream && Number(id) > Number(after)) await send(id, event.message);
      }
      return stream;
    },
  };
}
