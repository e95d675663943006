/**
 * The blocks of one agent's conversation, in the order of the text. It grows as the conversation does, and a block
 * never becomes another one: ids, borders and sources follow from the messages and one length alone.
 */

import type { ChatMessage } from '../../hal/driver.js';
import { fieldText, textOf, type Block, type BlockField, type BlockId } from './block.js';
import { sourceOf, withLines } from './provenance.js';
import { cut } from './split.js';

export interface BlockTableOptions {
  readonly messages: readonly ChatMessage[];
  /** Index of the message that is the agent's own task. */
  readonly task: number;
  /** Characters of the largest block. */
  readonly blockLength: number;
  readonly countTokens: (text: string) => number;
}

/** From one message of the model up to the next: a call and its result. */
export interface Exchange {
  readonly first: number;
  /** Not included. */
  readonly end: number;
}

const fields: readonly BlockField[] = ['content', 'call'];

export class BlockTable {
  readonly #options: BlockTableOptions;
  readonly #blocks: Block[] = [];
  readonly #byMessage: Block[][] = [];

  constructor(options: BlockTableOptions) {
    this.#options = options;
  }

  get blockLength(): number {
    return this.#options.blockLength;
  }

  get messages(): readonly ChatMessage[] {
    return this.#options.messages;
  }

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  get(id: BlockId): Block | undefined {
    return this.#blocks[id - 1];
  }

  ofMessage(index: number): readonly Block[] {
    return this.#byMessage[index] ?? [];
  }

  ofExchange({ first, end }: Exchange): readonly Block[] {
    const blocks: Block[] = [];
    for (let index = first; index < end; index++) blocks.push(...this.ofMessage(index));
    return blocks;
  }

  text(block: Block): string {
    return textOf(block, this.messages);
  }

  tokens(block: Block): number {
    block.tokens ??= this.#options.countTokens(this.text(block));
    return block.tokens;
  }

  tokensOf(blocks: readonly Block[]): number {
    return blocks.reduce((sum, block) => sum + this.tokens(block), 0);
  }

  /** What comes before the model's first word is of no exchange. */
  exchanges(): Exchange[] {
    const starts = this.messages.flatMap(({ role }, index) => (role === 'assistant' ? [index] : []));
    return starts.map((first, index) => ({ first, end: starts[index + 1] ?? this.messages.length }));
  }

  /** Takes in the messages that are new. */
  extend(): void {
    const { messages } = this;
    for (let index = this.#byMessage.length; index < messages.length; index++) {
      const blocks = fields.flatMap((field) => this.#cut(index, field));
      this.#byMessage.push(blocks);
    }
  }

  #cut(message: number, field: BlockField): Block[] {
    const said = this.messages[message];
    if (said === undefined) return [];
    const text = fieldText(said, field);
    const source =
      field === 'call' && said.role === 'assistant' && said.toolCall !== undefined
        ? ({ kind: 'toolCall', tool: said.toolCall.name } as const)
        : sourceOf(this.messages, message, this.#options.task);
    return cut(text, this.blockLength).map((piece) => {
      const block: Block = {
        ...piece,
        id: this.#blocks.length + 1,
        ...{ message, field, source: withLines(source, text.slice(piece.start, piece.end)) },
        ...{ place: 'resident', pin: undefined, isStale: false, isStored: false, tokens: undefined },
        ...{ vector: undefined, attention: undefined, lastUsedTurn: this.#turnOf(message) },
      };
      this.#blocks.push(block);
      return block;
    });
  }

  /** Messages of the model so far. */
  #turnOf(message: number): number {
    return this.messages.slice(0, message).filter(({ role }) => role === 'assistant').length;
  }
}
