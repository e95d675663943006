/**
 * What an agent does, as one straight line: prompt → tokens → tool call → sandbox → result → … → answer.
 * It waits in three places (scheduler, toolbox, person) and each of them listens to the agent's cancellation.
 * It never decides when the agent computes, and never touches a file itself.
 *
 * Every message is in the journal before it is acted on, so that an agent whose kernel died goes on from its last
 * one; an answer that was half written is computed again.
 */

import type { ChatMessage, InferenceDriver, ToolCall, ToolSignature } from '../../hal/driver.js';
import type { ToolName } from '../../shared/agentDefinition.js';
import { KernelError } from '../../shared/errors.js';
import { toolResultShare } from '../../shared/limits.js';
import type { ToolCallReport } from '../../shared/protocol.js';
import type { AgentContext } from '../context/agentContext.js';
import type { JournalRecord } from '../journal/records.js';
import type { Toolbox } from '../sandbox/toolbox.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { Agent } from './agent.js';
import { AssistantTurn, type TurnResult } from './assistantTurn.js';
import { promptOf, saidBy } from './computedText.js';
import type { Spliced } from './splice.js';

/** Resolves when the fact outlives the kernel. `Journal` is one. */
export interface AgentJournal {
  append(record: JournalRecord): Promise<void>;
}

/** What becomes of attention state between turns. Neither throws, and who computes without them computes the same. */
export interface TurnSnapshots {
  /** Before a turn: brings back what outlived its slot, if anything did. */
  restore(agent: Agent): Promise<void>;
  /** After a turn that is not the last. Nobody waits for it. */
  turnEnded(agent: Agent): void;
}

export interface LoopParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly toolbox: Toolbox;
  readonly journal: AgentJournal;
  readonly snapshots?: TurnSnapshots | undefined;
  /** Decides what of the conversation the model is shown. Without one, all of it has to fit. */
  readonly context?: Pick<AgentContext, 'fit'> | undefined;
  readonly onText: (agent: Agent, text: string) => void;
  readonly onToolCall: (agent: Agent, call: ToolCallReport, result: string) => void;
}

/** A token of code is about this many bytes; used only to size tool results before they are tokenised. */
const bytesPerToken = 2.5;

/** The share of the context that one message of the model may take. */
const answerShare = 0.5;

/** What these do can be done twice: they change nothing. */
const repeatable: readonly string[] = ['read_file', 'list_dir', 'search', 'recall'] satisfies ToolName[];

/**
 * Runs the agent to its answer, from the start or from where it was.
 * @throws KernelError `cancelled`, `denied` when its last tool call was refused, `limitReached`, `deviceFailed`,
 *   `storageFull` or `storageFailed` when a message could not be journalled
 */
export async function runAgent(agent: Agent, parts: LoopParts): Promise<void> {
  const tools = parts.toolbox.signatures(agent.definition.tools);
  await agent.untilResumed();
  await open(agent, parts);
  await finishInterrupted(agent, parts);
  for (let turn = turnsOf(agent); turn < agent.definition.maxSteps; turn++) {
    const result = await think(agent, tools, parts);
    if (result.text !== '') agent.answer = result.text;
    if (result.kind === 'answer') {
      finishAnswer(result.isComplete, agent);
      return;
    }
    await act(agent, result, parts);
  }
  throw new KernelError('limitReached', `no answer after ${agent.definition.maxSteps} steps`);
}

/** The first two messages, or the second alone where the kernel died between them. */
async function open(agent: Agent, parts: LoopParts): Promise<void> {
  const opening: ChatMessage[] = [
    { role: 'system', content: systemMessage(agent) },
    { role: 'user', content: agent.task },
  ];
  await say(agent, opening.slice(agent.messages.length), parts);
}

/** The messages are durable before the conversation has them, and all of them share one flush. */
async function say(agent: Agent, messages: readonly ChatMessage[], { journal }: LoopParts): Promise<void> {
  const { pid, promptTokens: prompt, generatedTokens: generated } = agent;
  await Promise.all(
    messages.map((message) =>
      journal.append({ type: 'message', pid, message, tokens: { prompt, generated } }),
    ),
  );
  agent.messages.push(...messages);
}

/** Its own: those of the agent whose conversation it goes on with do not count. */
const turnsOf = ({ messages, inherited }: Agent): number =>
  messages.slice(inherited?.messages).filter(({ role }) => role === 'assistant').length;

/**
 * A call whose result never came: the kernel ended while it was carried out. It is made again only where that
 * changes nothing; whether a file was changed or a command run is not known, so the agent is told to look.
 */
async function finishInterrupted(agent: Agent, parts: LoopParts): Promise<void> {
  const last = agent.messages.at(-1);
  if (last?.role !== 'assistant') return;
  const call = last.toolCall;
  if (call !== undefined && repeatable.includes(call.name)) {
    await perform(agent, call, parts);
    return;
  }
  const content =
    call === undefined
      ? 'error: the tool call was broken off'
      : 'error: interrupted by a restart; check the state before repeating';
  await say(agent, [{ role: 'tool', name: call?.name ?? 'unknown', content }], parts);
}

function systemMessage({ definition: { name, instructions } }: Agent): string {
  return [`You are ${name}, a coding agent.`, instructions].filter((part) => part !== '').join('\n');
}

/** One turn of the model. */
async function think(agent: Agent, tools: readonly ToolSignature[], parts: LoopParts): Promise<TurnResult> {
  const { driver, scheduler } = parts;
  const { text, tokens: prompt, edits } = await promptFor(agent, parts);
  const maxTokens = tokensLeft(agent, prompt.length, driver.info.contextTokens);
  agent.promptTokens = Math.max(agent.promptTokens, prompt.length);
  await using constraint = tools.length === 0 ? undefined : await driver.createConstraint(tools);
  const before = agent.generatedTokens;
  const turn = new AssistantTurn({
    driver,
    ...{ prompt, edits },
    constraint,
    maxTokens,
    onToken: (generated) => {
      agent.tokenGenerated(before + generated);
    },
    onText: (text) => parts.onText(agent, text),
  });
  await parts.snapshots?.restore(agent);
  agent.turnStarted();
  const [earlier] = agent.computed;
  agent.computed = [{ text, tokens: prompt }, ...(earlier === undefined ? [] : [earlier])];
  await scheduler.compute(agent, turn, agent.cancellation.signal);
  agent.computed = [saidBy({ text, tokens: prompt }, turn.tokens, driver), ...agent.computed];
  return turn.result();
}

/** What the model is shown: the conversation, or as much of it as its window has room for. */
async function promptFor(
  agent: Agent,
  { driver, toolbox, context }: LoopParts,
): Promise<Spliced & { readonly text: string }> {
  const told = toolbox.signatures(agent.toldTools);
  const measure = (messages: readonly ChatMessage[]): Spliced & { readonly text: string } => {
    const text = driver.render(messages, told);
    return { text, ...promptOf(text, agent.computed, driver) };
  };
  return context === undefined ? measure(agent.messages) : await context.fit(measure);
}

/** What the turn may generate: within the run's budget, the context, and one message's share of it. */
function tokensLeft(agent: Agent, promptTokens: number, contextTokens: number): number {
  const budget = agent.definition.tokenBudget - agent.generatedTokens;
  if (budget <= 0) {
    throw new KernelError('limitReached', `the token budget of ${agent.definition.tokenBudget} is used up`);
  }
  const room = contextTokens - promptTokens;
  if (room < 1) {
    throw new KernelError(
      'limitReached',
      `the conversation needs ${promptTokens} tokens and the context holds ${contextTokens}`,
    );
  }
  return Math.min(budget, room, Math.max(1, Math.floor(contextTokens * answerShare)));
}

/** Carries out the tool call and appends what came of it. */
async function act(
  agent: Agent,
  result: Exclude<TurnResult, { kind: 'answer' }>,
  parts: LoopParts,
): Promise<void> {
  if (result.kind === 'brokenCall') {
    await say(
      agent,
      [
        { role: 'assistant', content: result.text },
        { role: 'tool', name: 'unknown', content: `error: ${result.fault}` },
      ],
      parts,
    );
    return;
  }
  await say(agent, [{ role: 'assistant', content: result.text, toolCall: result.call }], parts);
  parts.snapshots?.turnEnded(agent);
  await perform(agent, result.call, parts);
}

/** Carries out a call that the conversation holds already. */
async function perform(agent: Agent, call: ToolCall, parts: LoopParts): Promise<void> {
  agent.toolStarted(call.name);
  const outcome = await parts.toolbox.invoke(
    {
      pid: agent.pid,
      agent: agent.definition.name,
      task: agent.task,
      tool: call.name,
      arguments: call.arguments,
      workspaceRoot: agent.workspaceRoot,
      resultBytes: Math.floor(parts.driver.info.contextTokens * toolResultShare * bytesPerToken),
    },
    agent.cancellation.signal,
  );
  const { text, ...facts } = outcome;
  const report: ToolCallReport = { tool: call.name, arguments: call.arguments, ...facts };
  const told = say(agent, [{ role: 'tool', name: call.name, content: text }], parts);
  await Promise.all([parts.journal.append({ type: 'toolCalled', pid: agent.pid, call: report }), told]);
  agent.toolCalls.push(report);
  parts.onToolCall(agent, report, text);
  agent.toolEnded();
}

/** An answer that was cut off, or that only says that the agent was not allowed to work, is not a success. */
function finishAnswer(isComplete: boolean, agent: Agent): void {
  if (!isComplete) throw new KernelError('limitReached', 'the answer was cut off at the token limit');
  const last = agent.toolCalls.at(-1);
  if (last?.decision === 'denied') {
    throw new KernelError('denied', `${last.capability ?? 'a right'} was refused`);
  }
}
