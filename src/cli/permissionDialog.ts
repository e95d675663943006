/**
 * Asks the person at the terminal, one question at a time, by single keys. Questions queue up in the order they
 * came; one that the kernel takes back disappears. It shows the exact path or command, escaped and never shortened:
 * what does not fit the terminal can only be denied. A key must not answer a question that was not there yet when it
 * was pressed, so a new one is deaf for a moment.
 */

import { scopeOf } from '../shared/capability.js';
import { KernelError } from '../shared/errors.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { PermissionAnswer, PermissionRequest } from '../shared/protocol.js';
import { scopeChoicesOf, type ScopeChoice } from '../shared/scopeChoices.js';
import { wrap } from './displayWidth.js';

const verbs = { 'fs.read': 'read', 'fs.write': 'change', 'process.run': 'run' } as const;

/** People need about twice as long to notice a new question and answer it. */
const deafMs = 150;

interface Question {
  readonly request: PermissionRequest;
  readonly settle: (answer: PermissionAnswer | undefined) => void;
}

/** Which menu is open: what kind of right, or how far one of this lifetime reaches. */
type Menu = 'answer' | { readonly lifetime: 'run' | 'session' };

export interface PermissionDialogOptions {
  readonly now: () => number;
  readonly onChange: () => void;
}

export class PermissionDialog {
  readonly #options: PermissionDialogOptions;
  readonly #queue: Question[] = [];
  #menu: Menu = 'answer';
  /** Since when the first question has been on the screen, and whether in full. */
  #drawn: { readonly since: number; readonly isWhole: boolean } | undefined;

  constructor(options: PermissionDialogOptions) {
    this.#options = options;
  }

  /** @throws KernelError `cancelled` when the kernel takes the question back. */
  ask(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer> {
    return new Promise((resolve, reject) => {
      const takeBack = (): void => this.#remove(question, undefined);
      const question: Question = {
        request,
        settle: (answer) => {
          signal.removeEventListener('abort', takeBack);
          if (answer !== undefined) resolve(answer);
          else reject(new KernelError('cancelled', 'the question was taken back'));
        },
      };
      this.#queue.push(question);
      if (this.#queue.length === 1) this.#showNext();
      else this.#options.onChange();
      signal.addEventListener('abort', takeBack, { once: true });
      if (signal.aborted) takeBack();
    });
  }

  /** Draws the open question into at most this much room; no lines when nothing is asked. */
  draw(columns: number, rows: number): readonly string[] {
    const question = this.#queue[0];
    if (question === undefined) return [];
    const { request } = question;
    const wish = describeWish(request);
    const waiting = this.#queue.length - 1;
    const more = waiting === 0 ? '' : ` (${waiting} more waiting)`;
    const whole = [`${wish}${more}`, this.#describeMenu(request)].flatMap((line) => wrap(line, columns));
    const isWhole = whole.length <= rows;
    this.#drawn = { since: this.#drawn?.since ?? this.#options.now(), isWhole };
    if (isWhole) return whole;
    const who = `${escapeForDisplay(request.agent)} (${request.pid})`;
    const excuse = `${who} wants something that takes ${wish.length} characters to show, more than fit: enlarge the terminal, or [d]eny`;
    return wrap(excuse, columns).slice(0, rows);
  }

  press(key: string): void {
    const question = this.#queue[0];
    if (question === undefined || this.#drawn === undefined) return;
    if (this.#options.now() - this.#drawn.since < deafMs) return;
    if (!this.#drawn.isWhole && key.toLowerCase() !== 'd') return;
    if (this.#menu === 'answer') this.#pressAnswer(question, key);
    else this.#pressScope(question, key, this.#menu.lifetime);
  }

  #describeMenu(request: PermissionRequest): string {
    if (this.#menu === 'answer') return '[o]nce, this [r]un, this [s]ession, [d]eny?';
    const scopes = scopeChoicesOf(request.access).map(
      ({ label }, index) => `[${index + 1}] ${escapeForDisplay(label)}`,
    );
    return `for this ${this.#menu.lifetime}: ${scopes.join('  ')}  [b]ack, [d]eny`;
  }

  #pressAnswer(question: Question, key: string): void {
    const { access } = question.request;
    switch (key.toLowerCase()) {
      case 'o':
        this.#remove(question, { kind: 'allow', lifetime: 'once', scope: scopeOf(access) });
        break;
      case 'd':
        this.#remove(question, { kind: 'deny', reason: '' });
        break;
      case 'r':
      case 's':
        this.#menu = { lifetime: key.toLowerCase() === 'r' ? 'run' : 'session' };
        this.#options.onChange();
        break;
      default:
        // Any other key was meant for something else.
        break;
    }
  }

  #pressScope(question: Question, key: string, lifetime: 'run' | 'session'): void {
    if (key === 'b' || key === '\u001b') {
      this.#menu = 'answer';
      this.#options.onChange();
      return;
    }
    if (key === 'd') {
      this.#pressAnswer(question, key);
      return;
    }
    const choice: ScopeChoice | undefined = scopeChoicesOf(question.request.access)[Number(key) - 1];
    if (choice !== undefined) this.#remove(question, { kind: 'allow', lifetime, scope: choice.scope });
  }

  #remove(question: Question, answer: PermissionAnswer | undefined): void {
    const index = this.#queue.indexOf(question);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    if (index === 0) this.#showNext();
    else this.#options.onChange();
    question.settle(answer);
  }

  #showNext(): void {
    this.#menu = 'answer';
    this.#drawn = undefined;
    this.#options.onChange();
  }
}

/** `coder (2) wants to read src/a.ts (/home/me/project/src/a.ts)`: what would be touched, not what anybody says of it. */
export function describeWish({ agent, pid, access, target }: PermissionRequest): string {
  const scope = scopeOf(access);
  const exact =
    access.capability !== 'process.run' && scope === '.' ? 'the workspace folder' : escapeForDisplay(scope);
  const real = escapeForDisplay(target);
  const what = real === exact ? exact : `${exact} (${real})`;
  return `${escapeForDisplay(agent)} (${pid}) wants to ${verbs[access.capability]} ${what}`;
}
