/**
 * One agent's virtual context, as the rest of the kernel sees it: a prompt that fits before each turn, `recall`, what
 * a person does with a block, the whole conversation back. It never changes the conversation itself.
 */

import type { ChatMessage } from '../../hal/driver.js';
import { KernelError } from '../../shared/errors.js';
import type { ContextMap } from '../../shared/protocol.js';
import { labelOf, type Block, type BlockId } from './block.js';
import type { ContextHistory } from './history.js';
import { Pager, type Measured, type PagerParts } from './pager.js';
import { answerOf, mayBeRecalled, relevant, type Found } from './recall.js';
import { Shelf } from './shelf.js';
import { originOf, staleLine } from './stub.js';
import { Window, type ContextSubject } from './window.js';

const recallLimit = 24;

export class AgentContext {
  readonly #parts: PagerParts;
  readonly #window: Window;
  readonly #shelf: Shelf;
  readonly #pager: Pager;
  #isAdopted: boolean;
  #turns: Promise<unknown> = Promise.resolve();

  /** @param past of an agent that goes on where it was, or where another one was */
  constructor(subject: ContextSubject, parts: PagerParts, past?: ContextHistory) {
    this.#parts = parts;
    this.#window = new Window(subject, parts, past);
    this.#shelf = new Shelf(parts, { owner: subject.owner, workspace: subject.workspaceRoot });
    this.#pager = new Pager(this.#window, this.#shelf, parts);
    this.#isAdopted = past === undefined;
  }

  get subject(): ContextSubject {
    return this.#window.subject;
  }

  get history(): ContextHistory | undefined {
    return this.#window.history;
  }

  /**
   * A prompt that fits. The conversation grew since the last one; what must leave for it leaves, and what is needed
   * for it comes back.
   * @param measure makes a prompt of what the model is to be shown
   * @throws KernelError `limitReached` where what may not leave does not fit; `storageFull`, `storageFailed` where the
   *   journal does not take it
   */
  async fit<T extends Measured>(measure: (view: readonly ChatMessage[]) => T): Promise<T> {
    return await this.#exclusive(async () => {
      const measured = await this.#pager.settle(() => measure(this.#window.view()));
      const used = measured.tokens.length;
      this.#window.usedTokens = used;
      if (used >= this.#window.levels.windowTokens) throw this.#pager.overflow(used);
      return measured;
    });
  }

  /** What the agent finds of what it saw, also of what is still in its window. @param maxLength of the answer */
  async recall(query: string, maxLength: number): Promise<string> {
    return await this.#exclusive(async () => {
      const { table, turn, subject } = this.#window;
      await this.#shelf.keep(table, table.blocks);
      const [vector] = await this.#shelf.vectorsOf([query]);
      const hits = await this.#shelf.search(query, vector, recallLimit);
      const blocks = hits.flatMap(({ block }) => table.get(Number(block.id)) ?? []);
      const possible = blocks.filter(({ source, pin }) => mayBeRecalled(source) && pin !== 'rule');
      await this.#pager.checkFiles(possible);
      const found = relevant(
        { text: query, vector },
        possible.map((block) => this.#found(block)),
      );
      const { text, shown } = answerOf(found, maxLength);
      for (const { block } of found.slice(0, shown)) block.lastUsedTurn = turn;
      const origins = found.slice(0, shown).map(({ origin }) => origin);
      const what = origins.length === 0 ? 'found nothing' : `found ${origins.join(', ')}`;
      this.#parts.onChange(subject.pid, `recall ${JSON.stringify(query.slice(0, 80))} ${what}`);
      return text;
    });
  }

  /**
   * A person takes a block out, or wants it back with the next turn.
   * @throws KernelError `notFound`, `badRequest` for one that is pinned, `storageFailed` where it cannot leave
   */
  async move(id: BlockId, direction: 'out' | 'in'): Promise<void> {
    await this.#exclusive(async () => {
      const block = this.#get(id);
      if (direction === 'in') {
        if (block.place === 'paged') this.#pager.wanted.add(id);
        return;
      }
      this.#pager.wanted.delete(id);
      if (block.place === 'paged') return;
      if (block.pin !== undefined) throw new KernelError('badRequest', `block ${id} is pinned`);
      if (!(await this.#pager.pageOut([block]))) {
        throw new KernelError(
          'storageFailed',
          `block ${id} stays in the window: the block store did not take it`,
        );
      }
      this.#parts.onChange(this.subject.pid, `paged out ${originOf(block)} by you`);
    });
  }

  /** @throws KernelError `notFound`, `badRequest` for one that a rule pins; `storageFull`, `storageFailed` */
  async pin(id: BlockId, isPinned: boolean): Promise<void> {
    await this.#exclusive(async () => {
      const block = this.#get(id);
      if (block.pin === 'rule') throw new KernelError('badRequest', `block ${id} always stays`);
      const { blockLength } = this.#window.table;
      await this.#parts.record(this.subject.pid, { type: 'pinned', blockLength, block: id, isPinned });
      block.pin = isPinned ? 'person' : undefined;
    });
  }

  /** @throws KernelError `notFound` */
  text(id: BlockId): string {
    this.#window.extend();
    return this.#window.table.text(this.#get(id));
  }

  map(): ContextMap {
    this.#window.extend();
    const { table, levels, usedTokens } = this.#window;
    const { windowTokens, thresholdTokens } = levels;
    const blocks = table.blocks.map((block) => ({
      id: block.id,
      kind: block.source.kind,
      label: labelOf(block.source),
      tokens: table.tokens(block),
      attention: block.attention ?? null,
      state: block.isStale ? ('stale' as const) : block.place,
      pinned: block.pin !== undefined,
    }));
    return { windowTokens, thresholdTokens, usedTokens, attention: this.#pager.attention, blocks };
  }

  /** A file may be another one now. @param path undefined where any may */
  async fileChanged(path: string | undefined): Promise<void> {
    const { table } = this.#window;
    const mayDiffer = (of: string | undefined): boolean => of !== undefined && (path ?? of) === of;
    await this.#pager.checkFiles(table.blocks.filter(({ source }) => mayDiffer(source.path)));
  }

  /**
   * The whole conversation: what is paged from the store, the rest from the window.
   * @throws KernelError `storageFailed`, also where the store lacks a block
   */
  async export(): Promise<ChatMessage[]> {
    return await this.#exclusive(async () => {
      const { table } = this.#window;
      const stored = new Map((await this.#shelf.read()).map(({ id, text }) => [Number(id), text]));
      const textOf = (block: Block): string => {
        const text = block.place === 'resident' ? table.text(block) : stored.get(block.id);
        if (text !== undefined) return text;
        throw new KernelError('storageFailed', `the block store has no block ${block.id}`);
      };
      return table.messages.map((message, index) => {
        const joined = (field: Block['field']): string =>
          table
            .ofMessage(index)
            .filter((block) => block.field === field)
            .map((block) => textOf(block))
            .join('');
        const content = joined('content');
        if (message.role !== 'assistant' || message.toolCall === undefined) return { ...message, content };
        return { ...message, content, toolCall: JSON.parse(joined('call')) as typeof message.toolCall };
      });
    });
  }

  /** The agent needs nothing any more. */
  async close(): Promise<void> {
    await this.#exclusive(() => this.#shelf.clear());
  }

  #get(id: BlockId): Block {
    const block = this.#window.table.get(id);
    if (block !== undefined) return block;
    throw new KernelError('notFound', `agent ${this.subject.pid} has no block ${id}`);
  }

  #found(block: Block): Found & { readonly block: Block } {
    const located = { text: this.#window.table.text(block), vector: block.vector };
    const warning = block.isStale ? staleLine(block) : undefined;
    return { block, origin: originOf(block), located, source: block.source, warning };
  }

  /** One thing at a time: a person and the agent's own turn may come at once. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turns;
    const result = before.then(async () => {
      this.#window.extend();
      await this.#adopt();
      return await work();
    });
    this.#turns = result.catch(() => undefined);
    return await result;
  }

  /** What an earlier kernel or agent paged must be in the store under this agent's name. */
  async #adopt(): Promise<void> {
    if (this.#isAdopted) return;
    this.#isAdopted = true;
    const { table } = this.#window;
    await this.#shelf.adopt(table);
    await this.#shelf.keep(table, table.blocks);
  }
}
