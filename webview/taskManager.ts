/**
 * The task manager page: puts its parts together and hands them what the extension sends. It decides nothing: what a
 * person presses goes to the extension as a wish.
 */

import './taskManager.css';
import './contextMap.css';
import './rights.css';
import type {
  AgentKey,
  PageMessage,
  TaskManagerMessage,
  TaskManagerView,
} from '../src/shared/taskManagerMessages.js';
import { createAgentTable } from './agentTable.js';
import { BlockCard } from './blockCard.js';
import { element } from './dom.js';
import { createKernelHeader } from './kernelHeader.js';
import { createRights } from './rights.js';
import { registerControls } from './toolkit.js';

/** What the editor keeps of the page while it is not shown. */
interface PageState {
  readonly open: readonly AgentKey[];
}

declare function acquireVsCodeApi(): {
  postMessage(message: PageMessage): void;
  getState(): PageState | undefined;
  setState(state: PageState): void;
};

function start(page: HTMLElement): void {
  registerControls();
  const editor = acquireVsCodeApi();
  const post = (message: PageMessage): void => editor.postMessage(message);
  const header = createKernelHeader(post);
  const card = new BlockCard(post);
  const table = createAgentTable({
    post,
    card,
    open: editor.getState()?.open ?? [],
    onOpenChanged: (open) => editor.setState({ open }),
  });
  const rights = createRights(post);
  const empty = element('p', 'empty');
  empty.textContent = 'No agents. “Run Agent…” starts one; agents run side by side on the same model.';
  page.append(header.element, table.element, empty, ...rights.elements);
  // Outside of the page's own box, against which it would be placed.
  document.body.append(card.element);

  const show = (view: TaskManagerView): void => {
    header.show(view);
    table.show(view.rows);
    rights.show(view);
    table.element.hidden = view.rows.length === 0;
    empty.hidden = view.rows.length > 0;
  };
  window.addEventListener('message', ({ data }: MessageEvent<TaskManagerMessage>) => {
    switch (data.type) {
      case 'view':
        show(data.view);
        break;
      case 'context':
        table.showContext(data.key, data.context);
        break;
      case 'block':
        card.setText(data.key, data.id, data);
        break;
      default:
        data satisfies never;
    }
  });
  post({ type: 'ready' });
}

const page = document.getElementById('page');
if (page !== null) start(page);
