/**
 * A conversation in the tokens that it was computed in. The same text has many tokenisations, and the model writes its
 * own: tokenised again as a whole, a conversation would be one that was never computed, and its attention state lost.
 * So only what is new is tokenised. Pure.
 */

import type { InferenceDriver, Token } from '../../hal/driver.js';
import { splice, type Spliced } from './splice.js';

/** The beginning of a rendered conversation, and its tokens. */
export interface ComputedText {
  readonly text: string;
  readonly tokens: readonly Token[];
}

/** The tokens of a rendered conversation, of which beginnings were computed already; the longest first. */
export function tokensOf(
  text: string,
  computed: readonly ComputedText[],
  driver: Pick<InferenceDriver, 'tokenize'>,
): Token[] {
  const known = computed.find((each) => text.startsWith(each.text));
  if (known === undefined) return driver.tokenize(text);
  return [...known.tokens, ...driver.tokenize(text.slice(known.text.length), 'text')];
}

/**
 * The prompt of a conversation that may have been changed in its middle since it was computed, with how its tokens came
 * about from those of the last turn. What cannot be taken over is tokenised again.
 */
export function promptOf(
  text: string,
  computed: readonly ComputedText[],
  driver: Pick<InferenceDriver, 'tokenize' | 'detokenize'>,
): Spliced {
  const [last] = computed;
  const isContinued = computed.some((each) => text.startsWith(each.text));
  const spliced = last === undefined || isContinued ? undefined : splice(last, text, driver);
  return spliced ?? { tokens: tokensOf(text, computed, driver), edits: [] };
}

/** After a turn: the prompt with what the model said to it, which a template may render otherwise than it was said. */
export function saidBy(
  prompt: ComputedText,
  tokens: readonly Token[],
  driver: Pick<InferenceDriver, 'detokenize'>,
): ComputedText {
  const said = driver.detokenize(tokens.slice(prompt.tokens.length));
  return { text: prompt.text + said, tokens: [...tokens] };
}
