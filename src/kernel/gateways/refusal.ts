/** A request that is not let in, in the form that the protocol of its path has for errors. */

import type { ServerResponse } from 'node:http';
import type { Gateway } from './caller.js';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

export function refuse(response: ServerResponse, refusal: Refusal, gateway: Gateway | undefined): void {
  const { status, code, message, retryAfterSeconds } = refusal;
  const form = gateway?.errorForm ?? plainForm;
  const text = JSON.stringify(form({ status, code, message }));
  response.setHeader('content-type', 'application/json');
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds);
  response.statusCode = status;
  response.end(text);
}

const plainForm = ({ code, message }: Pick<Refusal, 'code' | 'message'>): object => ({
  error: { message, type: 'invalid_request_error', param: null, code },
});
