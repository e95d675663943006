/**
 * What agents may do, and what they ask to be allowed: a list of open questions and one of live grants. It answers and
 * revokes nothing itself: what a person presses goes to the extension as a wish.
 */

import type {
  GrantRow,
  PageMessage,
  QuestionRow,
  TaskManagerView,
} from '../src/shared/taskManagerMessages.js';
import { element, icon, setText } from './dom.js';
import { formatCount } from './format.js';
import { aboutGrant } from './rightsWords.js';
import { button } from './toolkit.js';

export interface RightsView {
  readonly elements: readonly HTMLElement[];
  show(view: Pick<TaskManagerView, 'questions' | 'grants'>): void;
}

type Post = (message: PageMessage) => void;

export function createRights(post: Post): RightsView {
  const review = createSection<QuestionRow>({
    name: 'Review',
    keyOf: ({ id }) => String(id),
    create: (first) => createQuestion(first, post),
  });
  const grants = createSection<GrantRow>({
    name: 'Grants',
    keyOf: ({ key }) => key,
    create: (first) => createGrant(first, post),
  });
  return {
    elements: [review.element, grants.element],
    show(view) {
      review.show(view.questions);
      review.element.hidden = view.questions.length === 0;
      grants.show(view.grants);
    },
  };
}

interface Item<T> {
  readonly element: HTMLElement;
  show(row: T): void;
}

interface SectionOptions<T> {
  readonly name: string;
  readonly keyOf: (row: T) => string;
  readonly create: (first: T) => Item<T>;
}

/** Closed while it is empty; opens with its first entry, unless a person closes it again. */
function createSection<T>({ name, keyOf, create }: SectionOptions<T>): {
  readonly element: HTMLElement;
  show(rows: readonly T[]): void;
} {
  const section = document.createElement('details');
  section.className = 'rights';
  const summary = document.createElement('summary');
  const heading = element('span', 'rightsName');
  const count = element('span', 'rightsCount');
  heading.textContent = name;
  summary.append(icon('chevron'), heading, count);
  const list = element('ul', 'rightsList');
  section.append(summary, list);
  const items = new Map<string, Item<T>>();
  return {
    element: section,
    show(rows) {
      if ((items.size === 0) !== (rows.length === 0)) section.open = rows.length > 0;
      setText(count, rows.length === 0 ? 'none' : formatCount(rows.length));
      const keys = new Set(rows.map(keyOf));
      for (const [key, item] of items) {
        if (keys.has(key)) continue;
        // The focus must not fall off the page with the button that was pressed.
        if (item.element.contains(document.activeElement)) summary.focus();
        item.element.remove();
        items.delete(key);
      }
      for (const row of rows) {
        const key = keyOf(row);
        const item = items.get(key) ?? create(row);
        if (!items.has(key)) list.append(item.element);
        items.set(key, item);
        item.show(row);
      }
    },
  };
}

function createItem(className: string): {
  readonly element: HTMLElement;
  readonly what: HTMLElement;
  readonly about: HTMLElement;
} {
  const item = element('li', className);
  const words = element('div', 'rightWords');
  const what = element('div', 'rightWhat');
  const about = element('div', 'rightAbout');
  words.append(what, about);
  item.append(words);
  return { element: item, what, about };
}

function createQuestion(first: QuestionRow, post: Post): Item<QuestionRow> {
  const { element: item, what, about } = createItem('right question');
  const answer = button({
    className: 'answer',
    appearance: 'primary',
    onPress: () => post({ type: 'answer', question: first.id }),
  });
  answer.textContent = 'Answer…';
  answer.setAttribute('aria-label', `Answer: ${first.wish}`);
  item.append(answer);
  return {
    element: item,
    show({ wish, target }) {
      setText(what, wish);
      setText(about, target);
    },
  };
}

function createGrant(first: GrantRow, post: Post): Item<GrantRow> {
  const { element: item, what, about } = createItem('right grant');
  const capability = element('span', 'capability');
  const scope = element('code', 'scope');
  what.append(capability, scope);
  const revoke = button({
    className: 'revoke',
    appearance: 'secondary',
    onPress: () => post({ type: 'revoke', grant: first.key }),
  });
  revoke.textContent = 'Revoke';
  revoke.setAttribute('aria-label', `Revoke ${first.capability} ${first.scope} of ${first.who}`);
  item.append(revoke);
  return {
    element: item,
    show(grant) {
      setText(capability, grant.capability);
      setText(scope, grant.scope);
      setText(about, aboutGrant(grant, Date.now()));
    },
  };
}
