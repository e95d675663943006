/**
 * What the kernel knows of a place where blocks of text are kept and found again. A block that was put is durable, in
 * this process and the next one; its text comes back byte for byte. A store never decides what is paged or recalled.
 */

/** Where a block's text comes from. */
export interface BlockSource {
  readonly kind: 'system' | 'task' | 'message' | 'toolCall' | 'toolResult' | 'file';
  /** Tool that returned it. */
  readonly tool?: string;
  /** File that it is a part of, relative to the workspace root, with its lines (from 1, both included). */
  readonly path?: string;
  readonly lines?: readonly [first: number, last: number];
  /** Tells versions of that file apart. */
  readonly version?: string;
}

export interface StoredBlock {
  /** Unique within the owner. */
  readonly id: string;
  /** Whose it is: `agent:<durable name>` for an agent's conversation, `workspace` for the index of its files. */
  readonly owner: string;
  /** Real path of the workspace folder. */
  readonly workspace: string;
  /** Blocks of one owner in the order in which their text stood. */
  readonly position: number;
  readonly text: string;
  readonly source: BlockSource;
  /** Of length 1; undefined where nothing could embed it, and then it is found by its words alone. */
  readonly vector: Float32Array | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface BlockQuery {
  readonly text: string;
  readonly vector: Float32Array | undefined;
  readonly workspace: string;
  /** Blocks of any of these owners. */
  readonly owners: readonly string[];
  readonly limit: number;
}

export interface BlockHit {
  readonly block: StoredBlock;
  /** Words and vector together; higher is nearer, comparable within one answer. */
  readonly score: number;
}

export interface BlockStore extends AsyncDisposable {
  /** As the setting names it: `orama`, `chroma`, … */
  readonly name: string;
  /**
   * Durable when it resolves; a block of the same owner and id is replaced.
   * @throws KernelError `storageFull`, `storageFailed` (also for a server that cannot be reached); then nothing is kept
   */
  put(blocks: readonly StoredBlock[]): Promise<void>;
  /** Best first. @throws KernelError `storageFailed` */
  search(query: BlockQuery): Promise<readonly BlockHit[]>;
  /** All blocks of an owner by position, or those of these ids. @throws KernelError `storageFailed` */
  read(owner: string, workspace: string, ids?: readonly string[]): Promise<readonly StoredBlock[]>;
  /** All blocks of an owner, or those of these ids. @throws KernelError `storageFailed` */
  remove(owner: string, workspace: string, ids?: readonly string[]): Promise<void>;
  /** Blocks of a workspace. */
  count(workspace: string): Promise<number>;
}
