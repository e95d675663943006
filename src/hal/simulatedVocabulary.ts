/**
 * A tokenizer without a model: a token is a marker, a word or one other character, numbered as it is first met. Text
 * survives the way there and back, and boundaries do not depend on what surrounds them, except inside words.
 */

import { invariant } from '../shared/errors.js';
import type { Token } from './driver.js';

const markers = [
  '<|im_end|>',
  '<|im_start|>',
  '<tool_call>',
  '</tool_call>',
  '<tool_response>',
  '</tool_response>',
] as const;

export const endOfTurn = 0 as Token;

const pieces = /<\|im_(?:start|end)\|>|<\/?tool_(?:call|response)>|\w+|[^]/gu;

export class SimulatedVocabulary {
  readonly #texts: string[] = [...markers];
  readonly #tokens = new Map<string, Token>(markers.map((text, index) => [text, index as Token]));

  tokenize(text: string): Token[] {
    return (text.match(pieces) ?? []).map((piece) => this.#tokenOf(piece));
  }

  detokenize(tokens: readonly Token[]): string {
    return tokens.map((token) => this.#textOf(token)).join('');
  }

  #tokenOf(text: string): Token {
    const known = this.#tokens.get(text);
    if (known !== undefined) return known;
    const token = this.#texts.push(text) - 1;
    this.#tokens.set(text, token as Token);
    return token as Token;
  }

  #textOf(token: Token): string {
    const text = this.#texts[token];
    invariant(text !== undefined, `token ${token} is of this vocabulary`);
    return text;
  }
}
