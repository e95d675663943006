/** Every limit of the kernel, in one file, with its reason. Units are in the names. */

/** A client is told of row changes at most this often: faster than people read, slower than tokens come. */
export const rowUpdateIntervalMs = 100;

/** Streamed text is sent in pieces this far apart, so that one event carries many tokens. */
export const outputIntervalMs = 50;

/** Agents that may live at once; a flood of spawns ends here with a typed error. */
export const maxLiveAgents = 256;

/** Exited agents whose report is kept for a late `wait`. */
export const maxKeptReports = 1024;

/** The kernel's heartbeat: asked this often, and hung when no answer came for so long. */
export const heartbeatIntervalMs = 2_000;
export const heartbeatTimeoutMs = 15_000;

/** Restarts after a crash: the first at once, then doubling up to the bound; forgotten after a calm minute. */
export const restartBackoffMs = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000] as const;
export const restartForgetMs = 60_000;

/** A shutdown that takes longer is a kill. */
export const shutdownGraceMs = 3_000;

/** What a shutdown may spend on keeping the attention state of agents: the rest is computed again. */
export const suspendMs = 1_500;

/** Loading a model from a slow disk is the longest thing a boot does. */
export const bootTimeoutMs = 120_000;

/** Limits of one tool module and one tool call. */
export const sandboxLimits = {
  /** 64 KiB pages; AssemblyScript needs up to 608 for a 1 MB file. */
  memoryPages: 1024,
  /** Entries of a module's table; the largest of our own has a few dozen. */
  tableEntries: 4096,
  /** The largest of our own modules has some 30 kB. */
  moduleBytes: 1024 * 1024,
  /** Bytes a call may ask of its host, for its input and its result. */
  allocationBytes: 8 * 1024 * 1024,
  /** Bytes one host call may send: a whole file and its path. */
  requestBytes: 1024 * 1024 + 64 * 1024,
  /** Computing time of one call; the clock stands while a host call is open. */
  deadlineMs: 5_000,
  /** Time to instantiate a module; a looping `start` section ends here. */
  startMs: 5_000,
  outputBytes: 1024 * 1024,
  hostCalls: 20_000,
  /** Workers kept ready per tool. */
  warmWorkers: 1,
  /** Calls at once, a thread each. High, because a call that waits for a person holds its thread. */
  maxWorkers: 64,
} as const;

/** The most of a file that a tool gets to see. Larger files are refused by name and size. */
export const maxFileBytes = 1024 * 1024;

/** Entries that one listing of a folder may return. */
export const maxWalkEntries = 20_000;

/** A command run by a tool: time, and output kept (its beginning and its end). */
export const commandTimeoutMs = 120_000;
export const commandOutputBytes = 64 * 1024;

/** Share of the context that one tool result may take, so that a few results fit. */
export const toolResultShare = 0.3;

/** A device step that takes longer means a stalled engine: the kernel ends itself and is restarted. */
export const stepStallMs = 120_000;

/** Limits of the socket over which other processes look at a kernel and steer it. */
export const controlLimits = {
  /** Who has not shown the token by then is not one of ours. */
  attachMs: 2_000,
  connections: 32,
  /** The longest request is a renice. */
  requestLength: 64 * 1024,
  /** The longest answer lists every agent that is alive or kept. */
  answerLength: 8 * 1024 * 1024,
  /** What may wait for a reader: more than one answer of the longest kind. */
  unsentBytes: 16 * 1024 * 1024,
  /** Characters of a task or a reason in a row: more than a line of a terminal. */
  rowTextLength: 300,
  /** A healthy kernel answers within milliseconds. */
  answerMs: 5_000,
} as const;

/** What one external client may have alive, so that a flood of its spawns leaves room for the person's own agents. */
export const maxAgentsPerCaller = 64;

/** Limits of the MCP gateway. */
export const mcpLimits = {
  sessions: 128,
  sessionsPerCaller: 32,
  /** A session with no open connection and no call that works. */
  idleMs: 30 * 60_000,
  /** A client whose connection broke in the middle of a call has so long to come back for the answer. */
  resumeMs: 30_000,
  /** A task of the longest kind fits several times. */
  bodyBytes: 1024 * 1024,
  /** What a session keeps of its streams, for a client that lost its connection. */
  keptEvents: 2_000,
  keptBytes: 8 * 1024 * 1024,
} as const;

/**
 * A snapshot on disk is worth its time when it saves so many tokens. It is written whole, so the next one comes only
 * when the context has grown by this share as well: all of them together stay within a few times the last.
 */
export const minSnapshotTokens = 64;
export const minSnapshotGrowth = 0.125;

/** Encoding a long context on a busy machine takes seconds. */
export const codecTimeoutMs = 60_000;

/**
 * What measuring attention may take of the turn that something must leave the window for: reading some 2,000 tokens
 * back takes half of it on two cores, and it is little beside computing again what left wrongly.
 */
export const attentionBudgetMs = 400;

/** Tokens at the end whose attention is read: a call or the end of a sentence, which costs little more than one. */
export const attentionProbeTokens = 8;

/** What a boot may spend on measuring its device. */
export const calibrationMs = 500;

/** An external store that takes longer has failed: what was to be paged out stays where it is. */
export const remoteStoreTimeoutMs = 20_000;
