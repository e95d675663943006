// Runs held-out conversations through a model, turn by turn, and counts what comes out exactly. Each turn starts from
// the right conversation so far, so that one mistake is counted once; only the last task of a conversation counts,
// what came before it is its context.
import { Template } from '@huggingface/jinja';

const contextTokens = 2048;
const maxAnswerTokens = 700;
const toolParameters = {
  read_file: ['path'],
  list_dir: ['path'],
  search: ['query'],
  edit_file: ['path', 'find', 'replace'],
  run: ['command'],
  recall: ['query'],
};

/** The tool as a chat template expects it. */
function signatureOf(name) {
  const properties = Object.fromEntries(toolParameters[name].map((key) => [key, { type: 'string' }]));
  return { type: 'function', function: { name, parameters: { type: 'object', properties } } };
}

/** The messages of one tool call and its result. */
function messagesOf({ tool, arguments: given, result }) {
  return [
    { role: 'assistant', tool_calls: [{ function: { name: tool, arguments: given } }] },
    { role: 'tool', content: result },
  ];
}

const callText = ({ tool, arguments: given }) =>
  `<tool_call>{"name": "${tool}", "arguments": ${spaced(given)}}</tool_call>`;

/** JSON as the model writes it: a space behind every colon and comma that is not inside a string. */
function spaced(given) {
  const entries = Object.entries(given).map(
    ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  return `{${entries.join(', ')}}`;
}

/**
 * The turns of the last task that the model has to write.
 * @returns {{ kind: 'toolCall' | 'answer', messages: object[], wanted: string, call?: object }[]}
 */
function turnsOf({ system, tasks }) {
  const messages = [{ role: 'system', content: system }];
  const turns = [];
  for (const { instruction, request, calls, answer } of tasks) {
    turns.length = 0;
    if (instruction) messages.push({ role: 'system', content: instruction });
    messages.push({ role: 'user', content: request });
    for (const call of calls) {
      turns.push({ kind: 'toolCall', messages: [...messages], wanted: callText(call), call });
      messages.push(...messagesOf(call));
    }
    turns.push({ kind: 'answer', messages: [...messages], wanted: answer });
    messages.push({ role: 'assistant', content: answer });
  }
  return turns;
}

/** A model with one sequence, and its own chat template. */
export async function openModel(llama, modelPath) {
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize: contextTokens,
    sequences: 1,
    threads: 1,
    flashAttention: true,
  });
  const template = new Template(model.fileInfo.metadata.tokenizer.chat_template);
  return { model, sequence: context.getSequence(), template };
}

function promptOf({ model, template }, { tools }, { messages }) {
  const signatures = tools.map(signatureOf);
  return model.tokenize(template.render({ messages, tools: signatures, add_generation_prompt: true }), true);
}

/** Leaves in the sequence what it shares with the tokens, and returns the others: at least one. */
async function afterShared(sequence, tokens) {
  const most = Math.min(sequence.nextTokenIndex, tokens.length - 1);
  let shared = 0;
  while (shared < most && sequence.contextTokens[shared] === tokens[shared]) shared++;
  if (shared < sequence.nextTokenIndex) {
    await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }]);
  }
  return tokens.slice(shared);
}

/** Greedy text after a prompt. */
async function complete({ model, sequence }, prompt) {
  const tokens = await afterShared(sequence, prompt);
  const most = Math.min(maxAnswerTokens, contextTokens - prompt.length - 1);
  const generated = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
    if (model.isEogToken(token) || generated.length === most) break;
    generated.push(token);
  }
  return model.detokenize(generated, true);
}

function isRight(text, { kind, wanted, call }) {
  if (kind === 'answer') return text === wanted;
  const json = /^<tool_call>(.*)<\/tool_call>$/s.exec(text)?.[1];
  try {
    const { name, arguments: given } = JSON.parse(json ?? '');
    return name === call.tool && JSON.stringify(given) === JSON.stringify(call.arguments);
  } catch {
    return false;
  }
}

/** Shares of exact tool calls and answers by family; `onFailure` is told of every turn that came out otherwise. */
export async function measureFamilies(opened, episodes, onFailure) {
  const families = {};
  for (const episode of episodes) {
    const { family, request } = episode.tasks.at(-1);
    const right = { toolCall: true, answer: true };
    for (const turn of turnsOf(episode)) {
      const came = await complete(opened, promptOf(opened, episode, turn));
      if (isRight(came, turn)) continue;
      right[turn.kind] = false;
      onFailure({ family, request, wanted: turn.wanted, came });
    }
    const score = (families[family] ??= { n: 0, toolCall: 0, answer: 0 });
    score.n++;
    score.toolCall += Number(right.toolCall);
    score.answer += Number(right.answer);
  }
  return families;
}

/** The probabilities as the model gives them, nothing cut off. */
const unchanged = { temperature: 1, topK: 0, topP: 1, minP: 0 };

/** Perplexity of what the model has to write in the last task of each conversation, its end included. */
export async function measurePerplexity(opened, episodes) {
  const { model, sequence } = opened;
  let logs = 0;
  let count = 0;
  for (const episode of episodes) {
    for (const turn of turnsOf(episode)) {
      const prompt = promptOf(opened, episode, turn);
      const wanted = [...model.tokenize(turn.wanted, true), model.tokens.eos];
      if (prompt.length + wanted.length >= contextTokens) continue;
      const rest = await afterShared(sequence, [...prompt, ...wanted.slice(0, -1)]);
      const skipped = prompt.length + wanted.length - 1 - rest.length;
      const input = rest.map((token, index) =>
        skipped + index < prompt.length - 1
          ? token
          : [token, { generateNext: { probabilities: true, options: unchanged } }],
      );
      const outputs = await sequence.controlledEvaluate(input);
      const first = prompt.length - 1;
      wanted.forEach((token, index) => {
        const next = outputs[first + index - skipped]?.next;
        if (next === undefined) return;
        logs -= Math.log(Math.max(next.probabilities.get(token) ?? 0, 1e-9));
        count++;
      });
    }
  }
  return Math.exp(logs / count);
}
