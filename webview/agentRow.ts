/**
 * One row of the table: made once for an agent and brought up to date in place, so that focus, an open drop-down
 * and the pointer survive every update. What an agent or a model wrote is only ever set as text.
 */

import type { PriorityClass } from '../src/shared/agentDefinition.js';
import type { PageMessage, TaskManagerRow } from '../src/shared/taskManagerMessages.js';
import { element, icon, setText, setTitle } from './dom.js';
import { formatBytes, formatCount, formatMs, formatRate, formatShare } from './format.js';
import { iconButton } from './iconButton.js';
import { createNiceControl } from './niceControl.js';
import { button, dropdown, gridCell, gridRow, letFocusIn, plainButton, setDisabled } from './toolkit.js';

/** Columns in their order: the name in style sheet and code, the head that people read, and what it means. */
export const columns = [
  ['agent', 'Agent', 'Name, number and task'],
  ['state', 'State', 'What it does now'],
  ['class', 'Class', 'How soon it is served: interactive first, batch when there is room'],
  ['nice', 'Nice', 'Its weight against others: −20 for the largest share of the device, 19 for the smallest'],
  ['share', 'Share', 'Part of the device’s time in the last two seconds'],
  ['first', 'First token', 'Time to the first token of its latest turn'],
  ['tokens', 'Tokens', 'In its prompt + generated'],
  ['rate', 'Tokens/s', 'Generated a second of device time'],
  ['kv', 'KV cache', 'Device memory that its conversation takes'],
  ['wait', 'Queue wait', 'Time it was ready and had to wait for the device'],
  ['actions', '', ''],
] as const;

/** Written out, since importing the list would bring the whole schema library into the page. */
const priorityClasses = ['interactive', 'normal', 'batch'] as const satisfies readonly PriorityClass[];

type Column = (typeof columns)[number][0];
type Post = (message: PageMessage) => void;

export interface AgentRowView {
  readonly element: HTMLElement;
  /** To be called when the element is on the page. */
  show(row: TaskManagerRow): void;
  /** Says whether what the name opens is open. */
  showOpen(isOpen: boolean): void;
}

/** A part of a row: some cells, and how they follow the row. */
interface Part {
  readonly cells: Partial<Record<Column, HTMLElement>>;
  show(row: TaskManagerRow): void;
}

/** @param onToggle the name was pressed */
export function createAgentRow(first: TaskManagerRow, post: Post, onToggle: () => void): AgentRowView {
  const row = gridRow('default');
  const current = { row: first };
  const latest = (): TaskManagerRow => current.row;
  const who = whoPart(onToggle);
  const parts = [
    who,
    statePart(),
    classPart(latest, post),
    nicePart(latest, post),
    sharePart(),
    figuresPart(),
    actionsPart(latest, post),
  ];
  const cells = Object.assign({}, ...parts.map((part) => part.cells)) as Record<Column, HTMLElement>;
  for (const [column, heading] of columns) {
    // Where the table has no room for heads, each figure says what it is.
    cells[column].dataset['label'] = heading;
    row.append(cells[column]);
  }
  row.dataset['key'] = first.key;
  const show = (next: TaskManagerRow): void => {
    current.row = next;
    row.dataset['state'] = next.needsPerson ? 'blocked' : next.state;
    row.dataset['outcome'] = next.outcome ?? '';
    for (const part of parts) part.show(next);
  };
  return { element: row, show, showOpen: who.showOpen };
}

function whoPart(onToggle: () => void): Part & Pick<AgentRowView, 'showOpen'> {
  const cell = gridCell('default', 'agent');
  const head = plainButton({ className: 'head expander', onPress: onToggle });
  const name = element('span', 'name');
  const pid = element('span', 'pid');
  const task = element('div', 'task');
  head.append(icon('chevron'), name, pid);
  cell.append(head, task);
  return {
    cells: { agent: cell },
    show(row) {
      setText(name, row.name);
      setText(pid, `${row.pid}`);
      setText(task, row.task);
      setTitle(cell, row.task);
      setTitle(head, 'Show what its window holds');
      letFocusIn(cell);
    },
    showOpen: (isOpen) => head.setAttribute('aria-expanded', String(isOpen)),
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
  const control = createNiceControl((nice) => post({ type: 'renice', key: latest().key, nice }));
  cell.append(...control.elements);
  return {
    cells: { nice: cell },
    show(row) {
      control.show(row.nice, row.state !== 'exited');
      letFocusIn(cell);
    },
  };
}

function sharePart(): Part {
  const cell = gridCell('default', 'share');
  const value = element('div', 'value');
  const meter = element('div', 'meter');
  meter.append(element('div', 'fill'));
  cell.append(value, meter);
  return {
    cells: { share: cell },
    show({ deviceShare }) {
      setText(value, formatShare(deviceShare));
      cell.style.setProperty('--share', String(deviceShare ?? 0));
    },
  };
}

/** Where its attention state is. */
const placeNames: Readonly<Record<TaskManagerRow['tier'], string>> = {
  slots: 'In a slot: it goes on at once',
  memory: 'In memory: it goes on as soon as it has a slot',
  disk: 'On disk: it is loaded when it goes on',
  none: 'Nowhere: it is computed again when it goes on',
};

function figuresPart(): Part {
  const cells = {
    first: gridCell('default', 'first'),
    tokens: gridCell('default', 'tokens'),
    rate: gridCell('default', 'rate'),
    kv: gridCell('default', 'kv'),
    wait: gridCell('default', 'wait'),
  };
  return {
    cells,
    show(row) {
      setText(cells.first, formatMs(row.firstTokenMs));
      setText(cells.tokens, `${formatCount(row.promptTokens)} + ${formatCount(row.generatedTokens)}`);
      setText(cells.rate, formatRate(row.tokensPerSecond));
      setText(cells.kv, formatBytes(row.kvBytes));
      setTitle(cells.kv, row.state === 'exited' ? '' : placeNames[row.tier]);
      setText(cells.wait, formatMs(row.waitMs));
    },
  };
}

function actionsPart(latest: () => TaskManagerRow, post: Post): Part {
  const cell = gridCell('default', 'actions');
  const send = (type: 'stop' | 'pause' | 'resume' | 'review'): void => post({ type, key: latest().key });
  const review = button({ className: 'review', appearance: 'primary', onPress: () => send('review') });
  review.textContent = 'Review';
  const pause = iconButton('pause', () => send(latest().isPaused ? 'resume' : 'pause'));
  const stop = iconButton('stop', () => send('stop'));
  cell.append(review, pause.element, stop.element);
  return {
    cells: { actions: cell },
    show(row) {
      const isLive = row.state !== 'exited';
      review.hidden = !row.needsPerson;
      pause.element.hidden = !isLive;
      stop.element.hidden = !isLive;
      pause.draw(row.isPaused ? 'resume' : 'pause');
      pause.name(`${row.isPaused ? 'Resume' : 'Pause'} ${row.name} ${row.pid}`);
      stop.name(`Stop ${row.name} ${row.pid}`);
      letFocusIn(cell);
    },
  };
}
