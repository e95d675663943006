/**
 * The context map of one agent: how full its window is, and a cell for every block of its conversation. Cells are made
 * once and brought up to date in place; the arrow keys walk them. What a block says is shown by the card.
 */

import type { ContextBlock, ContextMap } from '../src/shared/protocol.js';
import type { AgentKey, ContextView, PageMessage } from '../src/shared/taskManagerMessages.js';
import type { BlockCard, CardSubject } from './blockCard.js';
import { element, icon, setText } from './dom.js';
import {
  attentionFill,
  attentionNote,
  cellWidths,
  factsOfBlock,
  kindNames,
  levelsOf,
  nameOfBlock,
  stateNames,
  type BlockAction,
} from './mapLayout.js';
import { plainButton, wideRow } from './toolkit.js';

export interface ContextMapView {
  /** A row of the table. */
  readonly element: HTMLElement;
  show(context: ContextView): void;
}

export interface ContextMapOptions {
  readonly key: AgentKey;
  /** Whose it is. */
  readonly name: string;
  readonly card: BlockCard;
  readonly post: (message: PageMessage) => void;
}

export function createContextMap({ key, name, card, post }: ContextMapOptions): ContextMapView {
  const content = element('div', 'contextMap');
  const levels = createLevels(name);
  const note = element('p', 'note');
  const legend = element('div', 'legend');
  /** What a person wants back, until it is there. */
  const asked = new Set<number>();
  let latest: ContextView = { map: null, note: 'Asking the kernel…', isLive: false };
  const act = (id: number, action: BlockAction): void => {
    if (action === 'in') asked.add(id);
    else if (action !== 'pin' && action !== 'unpin') asked.delete(id);
    post(wishFor(key, id, action));
    draw();
  };
  const subjectOf = (id: number): CardSubject | undefined => {
    const block = latest.map?.blocks.find((each) => each.id === id);
    const cell = strip.cellOf(id);
    if (block === undefined || cell === undefined) return undefined;
    return {
      key,
      block,
      cell,
      isAsked: asked.has(id),
      isLive: latest.isLive,
      act: (action) => act(id, action),
    };
  };
  const strip = createStrip({
    label: `Blocks of ${name}`,
    onShow: (id) => withSubject(subjectOf(id), (subject) => card.show(subject)),
    onHold: (id) => withSubject(subjectOf(id), (subject) => card.hold(subject)),
    onLeave: () => card.leave(),
  });
  const draw = (): void => {
    const { map } = latest;
    const blocks = map?.blocks ?? [];
    for (const { id, state } of blocks) if (state === 'resident' || state === 'recalled') asked.delete(id);
    levels.show(map);
    setText(note, latest.note);
    note.hidden = latest.note === '';
    strip.show(blocks, asked);
    showLegend(legend, blocks);
    card.update(key, subjectOf);
  };
  content.append(levels.element, note, strip.element, legend);
  draw();
  return {
    element: wideRow('detail', content, () => strip.focus()),
    show(context) {
      latest = context;
      draw();
    },
  };
}

function withSubject(subject: CardSubject | undefined, use: (subject: CardSubject) => void): void {
  if (subject !== undefined) use(subject);
}

function wishFor(key: AgentKey, id: number, action: BlockAction): PageMessage {
  switch (action) {
    case 'pin':
    case 'unpin':
      return { type: 'pinBlock', key, id, pinned: action === 'pin' };
    case 'in':
      return { type: 'pageBlock', key, id, direction: 'in' };
    case 'out':
    case 'leave':
      return { type: 'pageBlock', key, id, direction: 'out' };
    default:
      return action satisfies never;
  }
}

function createLevels(name: string): { readonly element: HTMLElement; show(map: ContextMap | null): void } {
  const box = element('div', 'levels');
  const words = element('div', 'levelWords');
  const text = element('span', 'levelText');
  const attention = element('span', 'attention');
  words.append(text, attention);
  const bar = element('div', 'levelBar');
  bar.setAttribute('role', 'meter');
  bar.setAttribute('aria-label', `Window of ${name}`);
  bar.setAttribute('aria-valuemin', '0');
  bar.append(element('div', 'fill'), element('div', 'mark'));
  box.append(words, bar);
  return {
    element: box,
    show(map) {
      box.hidden = map === null;
      if (map === null) return;
      const { used, threshold, text: said } = levelsOf(map);
      setText(text, said);
      setText(attention, attentionNote(map.attention));
      bar.style.setProperty('--used', String(used));
      bar.style.setProperty('--threshold', String(threshold));
      bar.dataset['over'] = String(map.usedTokens > map.thresholdTokens);
      bar.setAttribute('aria-valuemax', String(map.windowTokens));
      bar.setAttribute('aria-valuenow', String(Math.min(map.usedTokens, map.windowTokens)));
      bar.setAttribute('aria-valuetext', said);
    },
  };
}

interface StripOptions {
  readonly label: string;
  /** The pointer or the focus came to a cell. */
  readonly onShow: (id: number) => void;
  /** A cell was pressed. */
  readonly onHold: (id: number) => void;
  readonly onLeave: () => void;
}

interface Strip {
  readonly element: HTMLElement;
  show(blocks: readonly ContextBlock[], asked: ReadonlySet<number>): void;
  cellOf(id: number): HTMLElement | undefined;
  focus(): void;
}

/** One cell at a time can be reached with Tab; the arrow keys go on from there. */
function createStrip({ label, onShow, onHold, onLeave }: StripOptions): Strip {
  const strip = element('div', 'strip');
  strip.setAttribute('role', 'toolbar');
  strip.setAttribute('aria-label', label);
  const cells = new Map<number, HTMLElement>();
  const all = (): HTMLElement[] => [...cells.values()];
  const reach = (cell: HTMLElement | undefined): void => {
    for (const each of all()) each.tabIndex = each === cell ? 0 : -1;
  };
  const make = (id: number): HTMLElement => {
    const cell = plainButton({ className: 'block', onPress: () => onHold(id) });
    cell.setAttribute('aria-haspopup', 'dialog');
    cell.append(element('span', 'fill'), icon('pin'));
    cell.addEventListener('pointerenter', () => onShow(id));
    cell.addEventListener('pointerleave', onLeave);
    cell.addEventListener('focus', () => {
      reach(cell);
      if (cell.matches(':focus-visible')) onShow(id);
    });
    cell.addEventListener('blur', onLeave);
    cells.set(id, cell);
    return cell;
  };
  strip.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') onLeave();
    const next = nextCell(all(), event);
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
  return {
    element: strip,
    cellOf: (id) => cells.get(id),
    focus: () =>
      all()
        .find(({ tabIndex }) => tabIndex === 0)
        ?.focus(),
    show(blocks, asked) {
      const ids = new Set(blocks.map(({ id }) => id));
      for (const [id, cell] of cells) {
        if (ids.has(id)) continue;
        cell.remove();
        cells.delete(id);
      }
      const widths = cellWidths(blocks);
      for (const [index, block] of blocks.entries()) {
        const cell = cells.get(block.id) ?? make(block.id);
        // Blocks are numbered in the order of the text: what is new stands last.
        if (!cell.isConnected && cell.parentElement === null) strip.append(cell);
        showCell(cell, block, widths[index] ?? 0, asked.has(block.id));
      }
      strip.hidden = blocks.length === 0;
      if (!all().some(({ tabIndex }) => tabIndex === 0)) reach(all()[0]);
    },
  };
}

function nextCell(cells: readonly HTMLElement[], { key, target }: KeyboardEvent): HTMLElement | undefined {
  const at = cells.findIndex((cell) => cell === target);
  const last = cells.length - 1;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[key];
  return at < 0 || to === undefined ? undefined : cells[Math.min(last, Math.max(0, to))];
}

function showCell(cell: HTMLElement, block: ContextBlock, widthPx: number, isAsked: boolean): void {
  const fill = attentionFill(block.attention);
  cell.style.setProperty('--width', `${widthPx}px`);
  cell.style.setProperty('--attention', String(fill ?? 0));
  Object.assign(cell.dataset, {
    kind: block.kind,
    state: block.state,
    pinned: String(block.pinned),
    measured: String(fill !== null),
    asked: String(isAsked),
  });
  const said = `${nameOfBlock(block)}: ${factsOfBlock(block, isAsked)}`;
  if (cell.getAttribute('aria-label') !== said) cell.setAttribute('aria-label', said);
}

/** Names the colours and patterns that are there. */
function showLegend(legend: HTMLElement, blocks: readonly ContextBlock[]): void {
  const kinds = new Set(blocks.filter(({ state }) => state === 'resident').map(({ kind }) => kind));
  const states = new Set(blocks.map(({ state }) => state));
  states.delete('resident');
  const entries = [
    ...[...kinds].map((kind) => ({ kind, state: 'resident', words: kindNames[kind] }) as const),
    ...[...states].map((state) => ({ kind: 'message', state, words: stateNames[state] }) as const),
  ];
  const drawn = entries.map(({ words }) => words).join();
  legend.hidden = entries.length === 0;
  if (legend.dataset['drawn'] === drawn) return;
  legend.dataset['drawn'] = drawn;
  legend.replaceChildren(
    ...entries.map(({ kind, state, words }) => {
      const entry = element('span', 'legendEntry');
      const swatch = element('span', 'swatch block');
      Object.assign(swatch.dataset, { kind, state, measured: 'false' });
      swatch.setAttribute('aria-hidden', 'true');
      const text = element('span', '');
      text.textContent = words;
      entry.append(swatch, text);
      return entry;
    }),
  );
}
