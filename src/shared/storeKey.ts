/** The key that an external vector store asks for, as its service gave it. Nothing ever prints one. */

import { z } from 'zod';

/** It travels in a header of a request, which holds nothing else. */
export const storeKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, 'a key of a vector store is one word of printable ASCII');
