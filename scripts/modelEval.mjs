/**
 * Measures the embedded model (or any other) through node-llama-cpp: the share of held-out episodes whose tool calls
 * and answers come out exactly, family by family, decoded greedily with the model's own chat template.
 *
 * usage: node scripts/modelEval.mjs [--model FILE.gguf] [--episodes FILE.json] [--json] [--failures]
 * Each turn starts from the right conversation so far, so that one mistake is counted once.
 */

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Template } from '@huggingface/jinja';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/amk-embedded.gguf' },
    episodes: { type: 'string', default: 'models/training/heldout.json' },
    json: { type: 'boolean', default: false },
    failures: { type: 'boolean', default: false },
  },
});

const maxAnswerTokens = 600;
const toolParameters = {
  read_file: ['path'],
  list_dir: ['path'],
  search: ['query'],
  edit_file: ['path', 'find', 'replace'],
  run: ['command'],
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

/** Greedy text after a rendered prompt. What the prompt shares with the last one is not computed again. */
async function complete(model, sequence, prompt) {
  const tokens = model.tokenize(prompt, true);
  let shared = 0;
  while (
    shared < Math.min(sequence.nextTokenIndex, tokens.length - 1) &&
    sequence.contextTokens[shared] === tokens[shared]
  ) {
    shared++;
  }
  if (shared < sequence.nextTokenIndex) {
    await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }]);
  }
  const generated = [];
  for await (const token of sequence.evaluate(tokens.slice(shared), {
    temperature: 0,
    yieldEogToken: true,
  })) {
    if (model.isEogToken(token) || generated.length === maxAnswerTokens) break;
    generated.push(token);
  }
  return model.detokenize(generated, true);
}

function isRightCall(text, { tool, arguments: wanted }) {
  const json = /^<tool_call>(.*)<\/tool_call>$/s.exec(text)?.[1];
  try {
    const call = JSON.parse(json ?? '');
    return call.name === tool && JSON.stringify(call.arguments) === JSON.stringify(wanted);
  } catch {
    return false;
  }
}

/** Runs one episode; `report` is told of each turn: kind, whether it is right, what was wanted and what came. */
async function runEpisode({ system, tools, tasks }, respond, report) {
  const messages = [{ role: 'system', content: system }];
  const signatures = tools.map(signatureOf);
  for (const { request, calls, answer } of tasks) {
    messages.push({ role: 'user', content: request });
    for (const call of calls) {
      const text = await respond(messages, signatures);
      report('toolCall', isRightCall(text, call), JSON.stringify(call.arguments), text);
      messages.push(...messagesOf(call));
    }
    const text = await respond(messages, signatures);
    report('answer', text === answer, answer, text);
    messages.push({ role: 'assistant', content: answer });
  }
}

async function evaluate(modelPath, episodes) {
  const llama = await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error, maxThreads: 1 });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize: 2048,
    sequences: 1,
    threads: 1,
    flashAttention: true,
  });
  const template = new Template(model.fileInfo.metadata.tokenizer.chat_template);
  const sequence = context.getSequence();
  const families = {};
  for (const episode of episodes) {
    const { family, request } = episode.tasks[0];
    const right = { toolCall: true, answer: true };
    await runEpisode(
      episode,
      (messages, tools) =>
        complete(model, sequence, template.render({ messages, tools, add_generation_prompt: true })),
      (kind, isRight, wanted, came) => {
        right[kind] &&= isRight;
        if (!isRight && options.failures)
          console.error(`${family}: ${request}\n  wanted ${wanted}\n  came   ${came}`);
      },
    );
    const score = (families[family] ??= { n: 0, toolCall: 0, answer: 0 });
    score.n++;
    score.toolCall += Number(right.toolCall);
    score.answer += Number(right.answer);
  }
  await llama.dispose();
  return families;
}

function shareOf(count, n) {
  return Math.round((1000 * count) / n) / 1000;
}

const episodes = JSON.parse(await readFile(options.episodes, 'utf8'));
const families = Object.fromEntries(
  Object.entries(await evaluate(options.model, episodes)).map(([family, { n, toolCall, answer }]) => [
    family,
    { n, toolCall: shareOf(toolCall, n), answer: shareOf(answer, n) },
  ]),
);
if (options.json) console.log(JSON.stringify({ families }));
else console.table(families);
