/** What is wrong with a request, in the form that clients of OpenAI's interface read. */

import { KernelError, toErrorData, type ErrorCode } from '../../../shared/errors.js';

export class Fault extends Error {
  readonly status: number;
  readonly code: string | null;
  /** Name of the parameter at fault. */
  readonly param: string | null;

  constructor(status: number, message: string, code: string | null = null, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

export const badParameter = (param: string, message: string, code = 'invalid_value'): Fault =>
  new Fault(400, message, code, param);

/** What a person would be told is a fault of the request; everything else is the kernel's. */
const statuses: Partial<Record<ErrorCode, number>> = {
  badRequest: 400,
  limitReached: 400,
  notFound: 404,
  cancelled: 503,
  kernelStopped: 503,
};

export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { code, message } = toErrorData(error);
  const isOurs = !(error instanceof KernelError) || code === 'bug';
  return new Fault(statuses[code] ?? 500, isOurs ? 'the request failed in the kernel' : message, code);
}

const typeOf = (status: number): string => {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
};

export function errorBody({
  status,
  message,
  code,
  param = null,
}: Pick<Fault, 'status' | 'message' | 'code'> & { readonly param?: string | null }): object {
  return { error: { message, type: typeOf(status), param, code } };
}
