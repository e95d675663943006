/**
 * What crosses between a client and the state tool, a program beside the kernel that looks at what a kernel keeps of
 * its agents. It may look while a kernel uses the same folder; what removes something refuses to. Whoever answers is
 * forked for one command and ends with it.
 */

import { z } from 'zod';
import type { Pid } from './protocol.js';
import { stateKeySchema } from './stateKey.js';

const storeSchema = z.strictObject({
  /** Absolute path of the folder that a kernel keeps its agents in. */
  dir: z.string().min(1),
  /** What it is encrypted with. */
  encryptionKey: stateKeySchema.exactOptional(),
});
export type StateStore = z.infer<typeof storeSchema>;

/** A snapshot's key, or as much of its beginning as tells it from the others. */
const keySchema = z
  .string()
  .regex(/^[0-9a-f]{1,64}$/, 'a snapshot has a name of up to 64 digits from 0 to f; amk kv ls shows them');

export const listStateSchema = storeSchema;
export const showStateSchema = storeSchema.extend({ key: keySchema });
export const removeStateSchema = storeSchema.extend({
  keys: z.union([z.literal('all'), z.array(keySchema).min(1)]),
});
export const exportStateSchema = showStateSchema.extend({
  /** Absolute path of a file that is not there yet. */
  path: z.string().min(1),
});

export const verifyAuditSchema = z.strictObject({
  dir: storeSchema.shape.dir,
  /** What the log is sealed with, where that does not lie beside it. */
  auditKey: stateKeySchema.exactOptional(),
});
const auditFilterSchema = z.strictObject({
  /** Name or number of the agent. */
  agent: z.string().exactOptional(),
  /** Tool, host function or syscall. */
  tool: z.string().exactOptional(),
  isDenied: z.boolean().exactOptional(),
  /** Milliseconds since the epoch. */
  sinceMs: z.number().exactOptional(),
  /** Only so many, the newest. */
  last: z.int().min(1).exactOptional(),
});
export type AuditFilter = z.infer<typeof auditFilterSchema>;
export const showAuditSchema = z.strictObject({ dir: storeSchema.shape.dir, filter: auditFilterSchema });
export const exportAuditSchema = z.strictObject({
  dir: storeSchema.shape.dir,
  /** Absolute path of a file that is not there yet. */
  path: z.string().min(1),
});

/** An entry of the audit log. Text is data of unknown origin: escape it. */
export interface AuditLine {
  readonly seq: number;
  readonly at: number;
  readonly kind: string;
  readonly phase?: string;
  readonly act?: number;
  readonly pid?: Pid;
  readonly agent?: string;
  readonly client?: string;
  readonly tool?: string;
  readonly what: string;
  readonly scope?: string;
  readonly digest?: string;
  readonly grant?: number;
  readonly result?: string;
  readonly detail?: string;
  readonly ms?: number;
}

export interface AuditVerdict {
  readonly dir: string;
  /** The first one. */
  readonly fault: {
    readonly kind: string;
    readonly file: string;
    readonly line: number;
    readonly reason: string;
  } | null;
  /** Good lines before the fault, or all. */
  readonly lines: number;
  readonly files: number;
  readonly unsealed: number;
  /** Whether the seal was checked with its key. */
  readonly isProved: boolean;
  /** Digest of the last good line: who writes it down elsewhere can tell later that the log is still this one. */
  readonly tip: string;
}

export interface KeptSnapshot {
  /** SHA-256 of the snapshot, in hex. */
  readonly key: string;
  /** Name of the agent that it is of. */
  readonly agent: string;
  /** Its number, where the journal knows that it goes on from here. */
  readonly pid: Pid | null;
  readonly tokens: number;
  readonly quantisation: string;
  /** What it takes of the disk. */
  readonly bytes: number;
  readonly isEncrypted: boolean;
  /** Fingerprint of the model's file. */
  readonly model: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly usedAt: number;
}

/** An agent that had not ended. */
export interface KeptAgent {
  readonly pid: Pid;
  readonly name: string;
  readonly task: string;
  /** Key of its attention state; null where that is computed again. */
  readonly snapshot: string | null;
}

/** A file that is not what it should be, or is kept for a person to look at. */
export interface StateFault {
  readonly file: string;
  readonly reason: string;
}

export interface StateListing {
  readonly dir: string;
  /** Process that uses the folder now. */
  readonly usedBy: number | null;
  /** Those used last come first. */
  readonly snapshots: readonly KeptSnapshot[];
  readonly agents: readonly KeptAgent[];
  /** Files that were found damaged before, or are now. */
  readonly faults: readonly StateFault[];
}

export interface SnapshotDetail {
  readonly snapshot: KeptSnapshot;
  /** What it says of itself: model, engine, types, heads. */
  readonly facts: Readonly<Record<string, string>>;
  /** What the digest that it carries says of it; one that is damaged is an error instead. */
  readonly sha256: string;
  /** Its agent's conversation, as the journal has it; tokens alone tell no text without their model. */
  readonly conversation: readonly { readonly role: string; readonly text: string }[] | null;
}

export interface StateFinding {
  readonly file: string;
  /** `aside` was found damaged before and is used by nobody. */
  readonly verdict: 'intact' | 'damaged' | 'aside';
  /** What it holds, or what is wrong with it. */
  readonly note: string;
}

/** client → state tool */
export interface StateCalls {
  list: { in: StateStore; out: StateListing };
  show: { in: z.infer<typeof showStateSchema>; out: SnapshotDetail };
  /** Reads all of it. */
  verify: { in: StateStore; out: readonly StateFinding[] };
  /** `all`: what was set aside as well. */
  remove: {
    in: z.infer<typeof removeStateSchema>;
    out: { readonly keys: readonly string[]; readonly bytes: number };
  };
  /** Writes the snapshot as it is, not encrypted, for other programs to read. */
  export: { in: z.infer<typeof exportStateSchema>; out: { readonly bytes: number } };
  auditVerify: { in: z.infer<typeof verifyAuditSchema>; out: AuditVerdict };
  /** In order, the newest last. */
  auditShow: { in: z.infer<typeof showAuditSchema>; out: readonly AuditLine[] };
  /** All of it as it is, in one file. */
  auditExport: { in: z.infer<typeof exportAuditSchema>; out: { readonly bytes: number } };
}
