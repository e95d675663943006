/**
 * One row of the table: made once for an agent and brought up to date in place, so that focus, an open drop-down
 * and the pointer survive every update. What an agent or a model wrote is only ever set as text.
 */

import type { PriorityClass } from '../src/shared/agentDefinition.js';
import type { PageMessage, TaskManagerRow } from '../src/shared/taskManagerMessages.js';
import { drawIcon, element, icon, setText, setTitle, type IconName } from './dom.js';
import { formatBytes, formatCount, formatMs, formatNice, formatRate } from './format.js';
import { button, dropdown, gridCell, gridRow, letFocusIn, setDisabled } from './toolkit.js';

/** Columns in their order: the name in style sheet and code, and the head that people read. */
export const columns = [
  ['agent', 'Agent'],
  ['state', 'State'],
  ['class', 'Class'],
  ['nice', 'Nice'],
  ['tokens', 'Tokens'],
  ['rate', 'Tokens/s'],
  ['kv', 'KV cache'],
  ['wait', 'Queue wait'],
  ['actions', ''],
] as const;

/** Written out, since importing the list would bring the whole schema library into the page. */
const priorityClasses = ['interactive', 'normal', 'batch'] as const satisfies readonly PriorityClass[];

type Column = (typeof columns)[number][0];
type Post = (message: PageMessage) => void;

export interface AgentRowView {
  readonly element: HTMLElement;
  /** To be called when the element is on the page. */
  show(row: TaskManagerRow): void;
}

/** A part of a row: some cells, and how they follow the row. */
interface Part {
  readonly cells: Partial<Record<Column, HTMLElement>>;
  show(row: TaskManagerRow): void;
}

export function createAgentRow(first: TaskManagerRow, post: Post): AgentRowView {
  const row = gridRow('default');
  const current = { row: first };
  const latest = (): TaskManagerRow => current.row;
  const parts = [
    whoPart(),
    statePart(),
    classPart(latest, post),
    nicePart(latest, post),
    figuresPart(),
    actionsPart(latest, post),
  ];
  const cells = Object.assign({}, ...parts.map((part) => part.cells)) as Record<Column, HTMLElement>;
  row.append(...columns.map(([column]) => cells[column]));
  row.dataset['key'] = first.key;
  const show = (next: TaskManagerRow): void => {
    current.row = next;
    row.dataset['state'] = next.needsPerson ? 'blocked' : next.state;
    row.dataset['outcome'] = next.outcome ?? '';
    for (const part of parts) part.show(next);
  };
  return { element: row, show };
}

function whoPart(): Part {
  const cell = gridCell('default', 'agent');
  const head = element('div', 'head');
  const name = element('span', 'name');
  const pid = element('span', 'pid');
  const task = element('div', 'task');
  head.append(name, pid);
  cell.append(head, task);
  return {
    cells: { agent: cell },
    show(row) {
      setText(name, row.name);
      setText(pid, `${row.pid}`);
      setText(task, row.task);
      setTitle(cell, row.task);
    },
  };
}

function statePart(): Part {
  const cell = gridCell('default', 'state');
  const head = element('div', 'head');
  const dot = element('span', 'dot');
  const word = element('span', 'word');
  const reason = element('div', 'reason');
  dot.setAttribute('aria-hidden', 'true');
  head.append(dot, word);
  cell.append(head, reason);
  return {
    cells: { state: cell },
    show(row) {
      setText(word, row.outcome ?? row.state);
      setText(reason, row.reason);
      setTitle(cell, row.reason);
    },
  };
}

function classPart(latest: () => TaskManagerRow, post: Post): Part {
  const cell = gridCell('default', 'class');
  const choice = dropdown({
    className: 'classChoice',
    label: 'Scheduling class',
    values: priorityClasses,
    onPick(value) {
      const picked = priorityClasses.find((each) => each === value);
      if (picked !== undefined) post({ type: 'reclass', key: latest().key, class: picked });
    },
  });
  cell.append(choice.element);
  return {
    cells: { class: cell },
    show(row) {
      choice.show(row.class);
      setDisabled(choice.element, row.state === 'exited');
      letFocusIn(cell);
    },
  };
}

function nicePart(latest: () => TaskManagerRow, post: Post): Part {
  const cell = gridCell('default', 'nice');
  const value = element('span', 'value');
  const renice = (step: number): void => {
    const nice = Math.min(19, Math.max(-20, latest().nice + step));
    if (nice !== latest().nice) post({ type: 'renice', key: latest().key, nice });
  };
  const less = iconButton('less', () => renice(-1));
  const more = iconButton('more', () => renice(1));
  less.name('Lower nice: a larger share');
  more.name('Raise nice: a smaller share');
  cell.append(less.element, value, more.element);
  return {
    cells: { nice: cell },
    show(row) {
      setText(value, formatNice(row.nice));
      setDisabled(less.element, row.state === 'exited' || row.nice <= -20);
      setDisabled(more.element, row.state === 'exited' || row.nice >= 19);
      letFocusIn(cell);
    },
  };
}

function figuresPart(): Part {
  const cells = {
    tokens: gridCell('default', 'tokens'),
    rate: gridCell('default', 'rate'),
    kv: gridCell('default', 'kv'),
    wait: gridCell('default', 'wait'),
  };
  return {
    cells,
    show(row) {
      setText(cells.tokens, `${formatCount(row.promptTokens)} + ${formatCount(row.generatedTokens)}`);
      setTitle(cells.tokens, 'prompt + generated');
      setText(cells.rate, formatRate(row.tokensPerSecond));
      setText(cells.kv, formatBytes(row.kvBytes));
      setText(cells.wait, formatMs(row.waitMs));
    },
  };
}

function actionsPart(latest: () => TaskManagerRow, post: Post): Part {
  const cell = gridCell('default', 'actions');
  const send = (type: 'stop' | 'pause' | 'resume' | 'review'): void => post({ type, key: latest().key });
  const review = button({ className: 'review', appearance: 'primary', onPress: () => send('review') });
  review.textContent = 'Review';
  const pause = iconButton('pause', () => send(latest().state === 'paused' ? 'resume' : 'pause'));
  const stop = iconButton('stop', () => send('stop'));
  cell.append(review, pause.element, stop.element);
  return {
    cells: { actions: cell },
    show(row) {
      const isLive = row.state !== 'exited';
      const isPaused = row.state === 'paused';
      review.hidden = !row.needsPerson;
      pause.element.hidden = !isLive;
      stop.element.hidden = !isLive;
      setDisabled(pause.element, row.state === 'blocked');
      pause.draw(isPaused ? 'resume' : 'pause');
      pause.name(`${isPaused ? 'Resume' : 'Pause'} ${row.name} ${row.pid}`);
      stop.name(`Stop ${row.name} ${row.pid}`);
      letFocusIn(cell);
    },
  };
}

interface IconButton {
  readonly element: HTMLElement;
  draw(name: IconName): void;
  /** What it does, for the pointer and for those who cannot see it. */
  name(label: string): void;
}

function iconButton(name: IconName, onPress: () => void): IconButton {
  const made = button({ className: 'iconButton', appearance: 'icon', onPress });
  const svg = icon(name);
  made.append(svg);
  return {
    element: made,
    draw: (next) => drawIcon(svg, next),
    name(label) {
      setTitle(made, label);
      if (made.getAttribute('aria-label') !== label) made.setAttribute('aria-label', label);
    },
  };
}
