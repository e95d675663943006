/**
 * The table of agents: a living element for each, and below it, where a person opened it, the map of its context. It
 * adds, moves and removes rows and redraws nothing else. What is open is told to the extension, which follows it.
 */

import type {
  AgentKey,
  ContextView,
  PageMessage,
  TaskManagerRow,
} from '../src/shared/taskManagerMessages.js';
import { columns, createAgentRow, type AgentRowView } from './agentRow.js';
import type { BlockCard } from './blockCard.js';
import { createContextMap, type ContextMapView } from './contextMap.js';
import { grid, gridCell, gridRow } from './toolkit.js';

export interface AgentTable {
  readonly element: HTMLElement;
  show(rows: readonly TaskManagerRow[]): void;
  showContext(key: AgentKey, context: ContextView): void;
}

export interface AgentTableOptions {
  readonly post: (message: PageMessage) => void;
  readonly card: BlockCard;
  /** Maps that were open when the page was left. */
  readonly open: readonly AgentKey[];
  readonly onOpenChanged: (open: readonly AgentKey[]) => void;
}

interface Entry {
  readonly row: AgentRowView;
  map: ContextMapView | undefined;
}

export function createAgentTable(options: AgentTableOptions): AgentTable {
  const { post, open, onOpenChanged } = options;
  const table = grid('Agents');
  table.append(createHeadings());
  const entries = new Map<AgentKey, Entry>();
  const add = (first: TaskManagerRow): Entry => {
    const toggle = (): void => {
      if (entry.map === undefined) openMap(entry, first, options);
      else closeMap(entry, first.key, post);
      onOpenChanged([...entries].flatMap(([key, { map }]) => (map === undefined ? [] : [key])));
    };
    const entry: Entry = { row: createAgentRow(first, post, toggle), map: undefined };
    entry.row.showOpen(false);
    entries.set(first.key, entry);
    return entry;
  };
  const removeGone = (rows: readonly TaskManagerRow[]): void => {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, entry] of entries) {
      if (keys.has(key)) continue;
      closeMap(entry, key, post);
      entry.row.element.remove();
      entries.delete(key);
    }
  };
  const remembered = new Set(open);
  return {
    element: table,
    show(rows) {
      removeGone(rows);
      let previous = table.firstElementChild;
      for (const next of rows) {
        const entry = entries.get(next.key) ?? add(next);
        previous = placeAfter(previous, entry.row.element);
        if (remembered.delete(next.key)) openMap(entry, next, options);
        if (entry.map !== undefined) previous = placeAfter(previous, entry.map.element);
        entry.row.show(next);
      }
    },
    showContext: (key, context) => entries.get(key)?.map?.show(context),
  };
}

/** An element that is moved loses focus: only what stands wrong is moved. */
function placeAfter(previous: Element | null, element: HTMLElement): HTMLElement {
  if (previous?.nextElementSibling !== element) previous?.after(element);
  return element;
}

function openMap(entry: Entry, { key, name, pid }: TaskManagerRow, { card, post }: AgentTableOptions): void {
  entry.map = createContextMap({ key, name: `${name} ${pid}`, card, post });
  entry.row.element.after(entry.map.element);
  entry.row.showOpen(true);
  post({ type: 'watchContext', key });
}

function closeMap(entry: Entry, key: AgentKey, post: AgentTableOptions['post']): void {
  if (entry.map === undefined) return;
  entry.map.element.remove();
  entry.map = undefined;
  entry.row.showOpen(false);
  post({ type: 'unwatchContext', key });
}

function createHeadings(): HTMLElement {
  const headings = gridRow('header');
  for (const [column, heading, meaning] of columns) {
    const cell = gridCell('columnheader', column);
    cell.textContent = heading;
    cell.title = meaning;
    if (heading === '') cell.setAttribute('aria-label', 'Actions');
    headings.append(cell);
  }
  return headings;
}
