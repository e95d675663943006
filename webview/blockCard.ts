/**
 * What is told of a block: a card beside its cell, that comes with the pointer or the focus and goes with it, and
 * that a press holds open with what can be done. There is one for the whole page. The block's text is asked for when
 * it is first shown, and is only ever set as text.
 */

import type { ContextBlock } from '../src/shared/protocol.js';
import type { AgentKey, BlockText, PageMessage } from '../src/shared/taskManagerMessages.js';
import { element, setText } from './dom.js';
import { actionNames, actionsFor, factsOfBlock, nameOfBlock, type BlockAction } from './mapLayout.js';
import { button } from './toolkit.js';

const gapPx = 4;

/** What a card is of, and where it stands. */
export interface CardSubject {
  readonly key: AgentKey;
  readonly block: ContextBlock;
  readonly isAsked: boolean;
  /** Whether anything can be done with it. */
  readonly isLive: boolean;
  readonly cell: HTMLElement;
  readonly act: (action: BlockAction) => void;
}

type Post = (message: PageMessage) => void;

export class BlockCard {
  readonly #post: Post;
  readonly #parts = createParts();
  readonly #texts = new Map<string, BlockText>();
  #subject: CardSubject | undefined;
  #isHeld = false;

  constructor(post: Post) {
    this.#post = post;
    const { card } = this.#parts;
    card.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#closeAndReturn();
    });
    card.addEventListener('focusout', ({ relatedTarget }) => {
      if (this.#isHeld && !this.#contains(relatedTarget)) this.#close();
    });
    document.addEventListener('pointerdown', ({ target }) => {
      if (!this.#contains(target)) this.#close();
    });
    document.addEventListener('scroll', () => this.#place(), { capture: true, passive: true });
    window.addEventListener('resize', () => this.#close());
  }

  get element(): HTMLElement {
    return this.#parts.card;
  }

  /** For as long as the pointer or the focus is there. */
  show(subject: CardSubject): void {
    if (!this.#isHeld) this.#draw(subject);
  }

  /** Until it is closed, with buttons. */
  hold(subject: CardSubject): void {
    this.#isHeld = true;
    this.#draw(subject);
    const { card, actions } = this.#parts;
    (actions.querySelector<HTMLElement>('vscode-button') ?? card).focus();
  }

  /** Closes it where nothing holds it open. */
  leave(): void {
    if (!this.#isHeld) this.#close();
  }

  /** Brings it up to date, where it is of one of these; closes it where its block is gone. */
  update(key: AgentKey, subjectOf: (id: number) => CardSubject | undefined): void {
    const subject = this.#subject;
    if (subject?.key !== key) return;
    const next = subjectOf(subject.block.id);
    if (next === undefined) this.#close();
    else if (JSON.stringify(next.block) !== JSON.stringify(subject.block)) this.#draw(next);
  }

  setText(key: AgentKey, id: number, text: BlockText): void {
    this.#texts.set(keyOf(key, id), text);
    const subject = this.#subject;
    if (subject?.key !== key || subject.block.id !== id) return;
    this.#parts.draw(subject, text);
    this.#place();
  }

  #draw(next: CardSubject): void {
    const isNew = this.#subject?.cell !== next.cell;
    if (isNew) this.#subject?.cell.setAttribute('aria-expanded', 'false');
    this.#subject = next;
    next.cell.setAttribute('aria-expanded', String(this.#isHeld));
    const { key, block, isLive } = next;
    const text = this.#texts.get(keyOf(key, block.id));
    if (text === undefined && isNew) this.#post({ type: 'readBlock', key, id: block.id });
    const { card, actions, draw } = this.#parts;
    draw(next, text);
    drawActions(actions, this.#isHeld && isLive ? next : undefined, () => this.#closeAndReturn());
    card.dataset['held'] = String(this.#isHeld);
    card.hidden = false;
    this.#place();
  }

  #place(): void {
    if (this.#subject !== undefined) place(this.#parts.card, this.#subject.cell);
  }

  #close(): void {
    this.#subject?.cell.setAttribute('aria-expanded', 'false');
    this.#subject = undefined;
    this.#isHeld = false;
    this.#parts.card.hidden = true;
  }

  #closeAndReturn(): void {
    const cell = this.#subject?.cell;
    this.#close();
    cell?.focus();
  }

  /** Whether it lies in the card, or in the cell that it is of. */
  #contains(target: EventTarget | null): boolean {
    if (!(target instanceof Node)) return false;
    return this.#parts.card.contains(target) || this.#subject?.cell.contains(target) === true;
  }
}

const keyOf = (key: AgentKey, id: number): string => `${key} ${id}`;

function createParts() {
  const card = element('div', 'blockCard');
  const name = element('div', 'blockName');
  const facts = element('div', 'blockFacts');
  const text = element('pre', 'blockText');
  const actions = element('div', 'blockActions');
  card.append(name, facts, text, actions);
  card.hidden = true;
  card.tabIndex = -1;
  card.setAttribute('role', 'dialog');
  const draw = ({ block, isAsked }: CardSubject, shown: BlockText | undefined): void => {
    card.setAttribute('aria-label', nameOfBlock(block));
    card.dataset['kind'] = block.kind;
    setText(name, nameOfBlock(block));
    setText(facts, factsOfBlock(block, isAsked));
    setText(text, shown === undefined ? '' : `${shown.text}${shown.isCut ? '\n…' : ''}`);
  };
  return { card, actions, draw };
}

/** Only what is new is made, so that the focus stays where it is. */
function drawActions(actions: HTMLElement, subject: CardSubject | undefined, onDone: () => void): void {
  const wanted = subject === undefined ? [] : actionsFor(subject.block, subject.isAsked);
  const drawn = `${subject?.key ?? ''} ${subject?.block.id ?? ''} ${wanted.join(' ')}`;
  actions.hidden = wanted.length === 0;
  if (actions.dataset['drawn'] === drawn) return;
  actions.dataset['drawn'] = drawn;
  actions.replaceChildren(
    ...wanted.map((action, index) => {
      const made = button({
        className: action,
        appearance: index === 0 ? 'primary' : 'secondary',
        onPress: () => {
          subject?.act(action);
          onDone();
        },
      });
      made.textContent = actionNames[action];
      return made;
    }),
  );
}

/** Below the cell, or above it where there is more room, and never out of the page. */
function place(card: HTMLElement, cell: HTMLElement): void {
  const { left, top, bottom } = cell.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const below = clientHeight - bottom - 2 * gapPx;
  const above = top - 2 * gapPx;
  card.style.maxHeight = `${Math.max(below, above)}px`;
  const { offsetWidth, offsetHeight } = card;
  const isBelow = offsetHeight <= below || below >= above;
  card.style.left = `${Math.max(gapPx, Math.min(left, clientWidth - offsetWidth - gapPx))}px`;
  card.style.top = `${isBelow ? bottom + gapPx : top - offsetHeight - gapPx}px`;
}
