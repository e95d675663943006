/** The two ways in which kept attention state is of no use: it is damaged, or it is of something else. */

import { KernelError } from '../../shared/errors.js';

export const stateInvalid = (reason: string): KernelError => new KernelError('stateInvalid', reason);

export const stateMismatch = (reason: string): KernelError => new KernelError('stateMismatch', reason);
