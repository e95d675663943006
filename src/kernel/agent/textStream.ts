/**
 * Tokens to text, piece by piece. A token may end inside a character, and some tokenizers decode a token
 * differently at the start of a run, so a piece is the difference between two decodings of a short window (the way
 * of Hugging Face's text-generation-inference), never the decoding of one token.
 */

import type { Token } from '../../hal/driver.js';

const replacementCharacter = '\uFFFD';

export class TextStream {
  readonly #detokenize: (tokens: readonly Token[]) => string;
  #window: Token[] = [];
  /** Tokens of the window whose text was given out already. */
  #given = 0;

  constructor(detokenize: (tokens: readonly Token[]) => string) {
    this.#detokenize = detokenize;
  }

  /** The text that became certain with this token; empty while a character is incomplete. */
  push(token: Token): string {
    this.#window.push(token);
    const known = this.#detokenize(this.#window.slice(0, this.#given));
    const text = this.#detokenize(this.#window);
    if (text.length <= known.length || text.endsWith(replacementCharacter)) return '';
    this.#window = this.#window.slice(this.#given);
    this.#given = this.#window.length;
    return text.slice(known.length);
  }

  /** What was held back when no more tokens come: a character that stayed incomplete, as the tokenizer shows it. */
  end(): string {
    const known = this.#detokenize(this.#window.slice(0, this.#given));
    this.#given = this.#window.length;
    return this.#detokenize(this.#window).slice(known.length);
  }
}
