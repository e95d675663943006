// From tokens to an answer or a tool call, with a tokenizer that cuts where it hurts.
import assert from 'node:assert/strict';
import type { Constraint, InferenceDriver, Token } from '../../../../src/hal/driver.js';
import { createSimulatedDriver } from '../../../../src/hal/simulated.js';
import { AssistantTurn, type TurnResult } from '../../../../src/kernel/agent/assistantTurn.js';

const constraint: Constraint = { brand: 'Constraint', [Symbol.asyncDispose]: () => Promise.resolve() };
const endOfTurn = -1 as Token;

/** A tokenizer of fixed-size pieces, so that a marker falls across tokens in every way. */
function pieceDriver(size: number): InferenceDriver {
  const pieces: string[] = [];
  const encode = (piece: string): Token => {
    const known = pieces.indexOf(piece);
    return (known >= 0 ? known : pieces.push(piece) - 1) as Token;
  };
  return {
    ...createSimulatedDriver({ respond: () => '' }),
    toolCallMarkers: { open: '<tool_call>', close: '</tool_call>' },
    tokenize: (text) => (text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).map(encode),
    detokenize: (tokens) => tokens.map((token) => pieces[token] ?? '').join(''),
    isEndOfTurn: (token) => token === endOfTurn,
  };
}

interface Outcome {
  readonly result: TurnResult;
  readonly told: string;
  readonly transcript: string;
}

/** Plays the model: says `text` in pieces of `size`, and where the turn is constrained what a grammar would force. */
function play(text: string, size: number, options: { tools?: boolean; maxTokens?: number } = {}): Outcome {
  const driver = pieceDriver(size);
  let told = '';
  const turn = new AssistantTurn({
    driver,
    prompt: driver.tokenize('prompt'),
    constraint: options.tools === false ? undefined : constraint,
    maxTokens: options.maxTokens ?? 1000,
    onToken: () => undefined,
    onText: (piece) => (told += piece),
  });
  const promptLength = turn.tokens.length;
  let said = 0;
  for (;;) {
    const rest = text.slice(said);
    const [token = endOfTurn] = driver.tokenize(rest.slice(0, size));
    const verdict = turn.accept(token);
    // After a healed marker the model goes on right behind what is in the sequence.
    said = driver.detokenize(turn.tokens.slice(promptLength)).length;
    if (verdict === 'done') break;
  }
  return { result: turn.result(), told, transcript: driver.detokenize(turn.tokens.slice(promptLength)) };
}

const call = '{"name": "search", "arguments": {"query": "a } \\" b"}}';
const parsed = { name: 'search', arguments: { query: 'a } " b' } };

/** Plays tokens given as bytes, as a tokenizer has them that cuts inside characters, and ends the turn. */
function playBytes(...tokens: readonly Uint8Array[]): Outcome & { readonly evaluable: boolean } {
  const detokenize = (ids: readonly Token[]): string =>
    Buffer.concat(ids.map((id) => tokens[id] ?? new Uint8Array())).toString();
  const driver = { ...pieceDriver(1), detokenize, tokenize: () => [] };
  let told = '';
  const turn = new AssistantTurn({
    driver,
    prompt: [],
    constraint,
    maxTokens: 100,
    onToken: () => undefined,
    onText: (piece) => (told += piece),
  });
  let evaluable = true;
  for (const index of tokens.keys()) {
    turn.accept(index as Token);
    evaluable &&= turn.tokens.length === index + 1;
  }
  turn.accept(endOfTurn);
  return { result: turn.result(), told, transcript: detokenize(turn.tokens), evaluable };
}

suite('assistant turn', () => {
  for (const size of [1, 2, 3, 5, 7, 13, 100]) {
    test(`finds a tool call in pieces of ${size} characters`, () => {
      const { result, told } = play(`Let me look. <tool_call>${call}</tool_call> and more`, size);
      assert.deepEqual(result, { kind: 'toolCall', text: 'Let me look.', call: parsed });
      assert.equal(told, 'Let me look. ');
    });

    test(`tells all of an answer in pieces of ${size} characters`, () => {
      const { result, told } = play('It is <b>here</b>: a < b <tool', size);
      assert.deepEqual(result, { kind: 'answer', text: 'It is <b>here</b>: a < b <tool', isComplete: true });
      assert.equal(told, 'It is <b>here</b>: a < b <tool');
    });
  }

  test('a surplus that began in an evaluated token leaves a token to evaluate', () => {
    const [marker, smile] = [Buffer.from('<tool_call>'), Buffer.from('😀')];
    const { evaluable } = playBytes(Buffer.concat([marker, smile.subarray(0, 1)]), smile.subarray(1));
    assert.ok(evaluable);
  });

  test('an answer keeps its last character, and what stands before an incomplete one', () => {
    assert.equal(playBytes(Buffer.from('it is \uFFFD')).told, 'it is \uFFFD');
    const cut = playBytes(
      Buffer.from('it '),
      Buffer.concat([Buffer.from('is '), Buffer.from('😀').subarray(0, 2)]),
    );
    assert.match(cut.told, /^it is \uFFFD$/);
    assert.deepEqual(cut.result, { kind: 'answer', text: cut.told, isComplete: true });
  });

  test('stops right behind the call', () => {
    const { transcript } = play(`<tool_call>${call}\n\n\n</tool_call>`, 1);
    assert.equal(transcript, `<tool_call>${call}`);
  });

  test('drops what stood behind the marker in the same token', () => {
    const { transcript } = play(`<tool_call>${call}`, 100);
    assert.ok(transcript.startsWith('<tool_call>'));
  });

  test('an agent without tools calls none', () => {
    const { result } = play(`<tool_call>${call}</tool_call>`, 3, { tools: false });
    assert.equal(result.kind, 'answer');
  });

  test('an answer that is cut off says so', () => {
    const { result } = play('a long answer', 1, { maxTokens: 4 });
    assert.deepEqual(result, { kind: 'answer', text: 'a lo', isComplete: false });
  });

  test('a call that is cut off is data, not an exception', () => {
    const { result } = play('<tool_call>{"name": "sea', 1);
    assert.deepEqual(result, { kind: 'brokenCall', text: '', fault: 'the tool call is not complete JSON' });
  });

  test('a call without a name is data', () => {
    const { result } = play('<tool_call>{"tool": "search"}', 1);
    assert.equal(result.kind, 'brokenCall');
  });

  test('arguments that are not text are left out', () => {
    const { result } = play('<tool_call>{"name": "search", "arguments": {"query": 3, "path": "x"}}', 1);
    assert.deepEqual(result, {
      kind: 'toolCall',
      text: '',
      call: { name: 'search', arguments: { path: 'x' } },
    });
  });
});
