/** The key that a kernel encrypts what it keeps with: 32 bytes in hex. Nothing ever prints one. */

import { z } from 'zod';

export const stateKeySchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'an encryption key has 64 digits from 0 to f');
