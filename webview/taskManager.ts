/**
 * The task manager page. It keeps one row a living element per agent, adds, moves and removes rows, and redraws
 * nothing else. It decides nothing: what a person presses goes to the extension as a wish.
 */

import './taskManager.css';
import type {
  AgentKey,
  PageMessage,
  TaskManagerView,
  ViewMessage,
} from '../src/shared/taskManagerMessages.js';
import { columns, createAgentRow, type AgentRowView } from './agentRow.js';
import { element } from './dom.js';
import { createKernelHeader } from './kernelHeader.js';
import { grid, gridCell, gridRow, registerControls } from './toolkit.js';

declare function acquireVsCodeApi(): { postMessage(message: PageMessage): void };

function start(page: HTMLElement): void {
  registerControls();
  const editor = acquireVsCodeApi();
  const post = (message: PageMessage): void => editor.postMessage(message);
  const header = createKernelHeader(post);
  const table = createTable(post);
  const empty = element('p', 'empty');
  empty.textContent = 'No agents. “Run Agent…” starts one; agents run side by side on the same model.';
  page.append(header.element, table.element, empty);

  const show = (view: TaskManagerView): void => {
    header.show(view);
    table.show(view);
    table.element.hidden = view.rows.length === 0;
    empty.hidden = view.rows.length > 0;
  };
  window.addEventListener('message', ({ data }: MessageEvent<ViewMessage>) => show(data.view));
  post({ type: 'ready' });
}

function createTable(post: (message: PageMessage) => void): {
  readonly element: HTMLElement;
  show(view: TaskManagerView): void;
} {
  const table = grid('Agents');
  table.append(createHeadings());
  const rows = new Map<AgentKey, AgentRowView>();
  return {
    element: table,
    show(view) {
      const keys = new Set(view.rows.map(({ key }) => key));
      for (const [key, row] of rows) {
        if (keys.has(key)) continue;
        row.element.remove();
        rows.delete(key);
      }
      let previous = table.firstElementChild;
      for (const next of view.rows) {
        const row = rows.get(next.key) ?? createAgentRow(next, post);
        rows.set(next.key, row);
        // An element that is moved loses focus: only what stands wrong is moved.
        if (previous?.nextElementSibling !== row.element) previous?.after(row.element);
        previous = row.element;
        row.show(next);
      }
    },
  };
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

const page = document.getElementById('page');
if (page !== null) start(page);
