/**
 * What an agent does, as one straight line: prompt → tokens → tool call → sandbox → result → … → answer.
 * It waits in three places (scheduler, toolbox, person) and each of them listens to the agent's cancellation.
 * It never decides when the agent computes, and never touches a file itself.
 */

import type { InferenceDriver, Token, ToolSignature } from '../../hal/driver.js';
import { KernelError } from '../../shared/errors.js';
import { toolResultShare } from '../../shared/limits.js';
import type { ToolCallReport } from '../../shared/protocol.js';
import type { Toolbox } from '../sandbox/toolbox.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { Agent } from './agent.js';
import { AssistantTurn, type TurnResult } from './assistantTurn.js';

export interface LoopParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly toolbox: Toolbox;
  readonly onText: (agent: Agent, text: string) => void;
  readonly onToolCall: (agent: Agent, call: ToolCallReport, result: string) => void;
}

/** A token of code is about this many bytes; used only to size tool results before they are tokenised. */
const bytesPerToken = 2.5;

/** The share of the context that one message of the model may take. */
const answerShare = 0.5;

/**
 * Runs the agent to its answer.
 * @throws KernelError `cancelled`, `denied` when its last tool call was refused, `limitReached`, `deviceFailed`
 */
export async function runAgent(agent: Agent, parts: LoopParts): Promise<void> {
  const tools = parts.toolbox.signatures(agent.definition.tools);
  agent.messages.push(
    { role: 'system', content: systemMessage(agent) },
    { role: 'user', content: agent.task },
  );
  for (let step = 0; step < agent.definition.maxSteps; step++) {
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

function systemMessage({ definition: { name, instructions } }: Agent): string {
  return [`You are ${name}, a coding agent.`, instructions].filter((part) => part !== '').join('\n');
}

/** One turn of the model. */
async function think(agent: Agent, tools: readonly ToolSignature[], parts: LoopParts): Promise<TurnResult> {
  const { driver, scheduler } = parts;
  const prompt = driver.tokenize(driver.render(agent.messages, tools));
  const maxTokens = tokensLeft(agent, prompt, driver.info.contextTokens);
  agent.promptTokens = Math.max(agent.promptTokens, prompt.length);
  await using constraint = tools.length === 0 ? undefined : await driver.createConstraint(tools);
  const before = agent.generatedTokens;
  const turn = new AssistantTurn({
    driver,
    prompt,
    constraint,
    maxTokens,
    onToken: (generated) => {
      agent.generatedTokens = before + generated;
      agent.changed();
    },
    onText: (text) => parts.onText(agent, text),
  });
  await scheduler.compute(agent, turn, agent.cancellation.signal);
  return turn.result();
}

/** What the turn may generate: within the run's budget, the context, and one message's share of it. */
function tokensLeft(agent: Agent, prompt: readonly Token[], contextTokens: number): number {
  const budget = agent.definition.tokenBudget - agent.generatedTokens;
  if (budget <= 0) {
    throw new KernelError('limitReached', `the token budget of ${agent.definition.tokenBudget} is used up`);
  }
  const room = contextTokens - prompt.length;
  if (room < 1) {
    throw new KernelError(
      'limitReached',
      `the conversation needs ${prompt.length} tokens and the context holds ${contextTokens}`,
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
    agent.messages.push(
      { role: 'assistant', content: result.text },
      { role: 'tool', name: 'unknown', content: `error: ${result.fault}` },
    );
    return;
  }
  const { call } = result;
  agent.messages.push({ role: 'assistant', content: result.text, toolCall: call });
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
  agent.toolCalls.push(report);
  agent.messages.push({ role: 'tool', name: call.name, content: text });
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
