/**
 * Puts open questions before a person: notifications beside the work, never a modal over it, one at a time.
 * Closing one is no answer: the agent waits, the status bar counts, and a review asks again. What is allowed is
 * exactly what was shown; an answer that comes after its question was taken back grants nothing.
 */

import * as vscode from 'vscode';
import { scopeOf, type GrantLifetime } from '../shared/capability.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { Disposable } from '../shared/lifecycle.js';
import type { PermissionAnswer, PermissionRequest, Pid } from '../shared/protocol.js';
import type { Fleet } from './fleet.js';
import { settles, type PendingPermission, type PermissionQueue } from './permissionQueue.js';
import { shownScopesOf, wishOf, type Wish } from './permissionText.js';

/**
 * One question at a time by itself: an answer for the session often settles the next, and a notification that was
 * shown cannot be taken off the screen when its question is. A review may open more.
 */
const maxOpen = 1;

/** The editor takes a notification off the screen after about 15 s and keeps it in its list, where few people look. */
const onScreenMs = 15_000;

const buttons = {
  once: 'Allow Once',
  run: 'Allow This Run…',
  longer: 'Allow Longer…',
  deny: 'Deny',
  showAll: 'Show in Full…',
} as const;

/** For whom, and how long, a lifetime that is more than a run holds. */
const longerFor = {
  session: 'Every agent, until the kernel stops',
  workspace: 'Every agent in this workspace, until you revoke it',
} as const satisfies Partial<Record<GrantLifetime, string>>;

interface ScopePick extends vscode.QuickPickItem {
  /** Undefined for a heading. */
  readonly grant?: { readonly lifetime: GrantLifetime; readonly scope: string };
}

/** A notification in the making: only that the newest of a question closes counts, since it closes the older. */
interface Asked {
  /** `listed`: open, but no longer on the screen, so that it must not keep the next question from being seen. */
  state: 'open' | 'listed' | 'closed';
  turn: number;
}

export interface PermissionPromptOptions {
  readonly queue: PermissionQueue;
  readonly fleet: Fleet;
  /** Shows a text that is too long for a notification. */
  readonly showText: (text: string) => void;
}

export class PermissionPrompt implements Disposable {
  readonly #queue: PermissionQueue;
  readonly #fleet: Fleet;
  readonly #showText: (text: string) => void;
  readonly #asked = new Map<number, Asked>();
  /** Questions that an answer to another one covers: the kernel takes them back in a moment. */
  readonly #covered = new Set<number>();
  readonly #subscription: Disposable;
  #isDisposed = false;

  constructor({ queue, fleet, showText }: PermissionPromptOptions) {
    this.#queue = queue;
    this.#fleet = fleet;
    this.#showText = showText;
    this.#subscription = queue.onDidChange(() => this.#askNext());
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#subscription.dispose();
  }

  /** Asks again: the question of this agent, or else the oldest there is. */
  async review(pid?: Pid): Promise<void> {
    await this.#askAgain(pid === undefined ? this.#queue.pending[0] : this.#queue.findByPid(pid));
  }

  /** Asks this question again. */
  async reviewQuestion(id: number): Promise<void> {
    await this.#askAgain(this.#queue.pending.find((pending) => pending.id === id));
  }

  async #askAgain(pending: PendingPermission | undefined): Promise<void> {
    if (pending === undefined) {
      void vscode.window.showInformationMessage('No question is open.');
      return;
    }
    void this.#ask(pending);
    await vscode.commands.executeCommand('notifications.focusToasts');
  }

  #askNext(): void {
    if (this.#isDisposed) return;
    for (const id of this.#asked.keys()) {
      if (!this.#queue.has(id)) this.#asked.delete(id);
    }
    for (const id of this.#covered) {
      if (!this.#queue.has(id)) this.#covered.delete(id);
    }
    for (const pending of this.#queue.pending) {
      const open = [...this.#asked.values()].filter(({ state }) => state === 'open');
      if (open.length >= maxOpen) return;
      if (!this.#asked.has(pending.id) && !this.#covered.has(pending.id)) void this.#ask(pending);
    }
  }

  async #ask(pending: PendingPermission): Promise<void> {
    const asked = this.#asked.get(pending.id) ?? { state: 'open', turn: 0 };
    const turn = ++asked.turn;
    asked.state = 'open';
    this.#asked.set(pending.id, asked);
    const timer = setTimeout(() => this.#leftScreen(asked, turn), onScreenMs);
    const answer = await this.#answerTo(pending);
    clearTimeout(timer);
    if (answer === undefined) {
      // Showing it again closes the older notification, which is no news; a press on that one is an answer all the same.
      if (asked.turn !== turn) return;
      asked.state = 'closed';
      this.#askNext();
      return;
    }
    for (const other of this.#queue.pending) {
      if (settles(answer, pending.request, other.request)) this.#covered.add(other.id);
    }
    if (!this.#queue.answer(pending.id, answer)) {
      const name = escapeForDisplay(pending.request.agent);
      void vscode.window.showInformationMessage(`${name} no longer asks; nothing was granted.`);
    }
  }

  #leftScreen(asked: Asked, turn: number): void {
    if (asked.turn !== turn || asked.state !== 'open') return;
    asked.state = 'listed';
    this.#askNext();
  }

  /** Undefined when the notification was closed. */
  async #answerTo({ request }: PendingPermission): Promise<PermissionAnswer | undefined> {
    const wish = this.#wishOf(request);
    let isRead = !wish.isCut;
    for (;;) {
      const choice = await this.#notify(request, wish, isRead);
      switch (choice) {
        case undefined:
          return undefined;
        case buttons.deny:
          return { kind: 'deny', reason: '' };
        case buttons.once:
          return { kind: 'allow', lifetime: 'once', scope: scopeOf(request.access) };
        case buttons.showAll:
          this.#showText(wish.text);
          isRead = true;
          break;
        case buttons.run:
        case buttons.longer: {
          const answer = await this.#pickScope(request, choice === buttons.run ? 'run' : 'longer');
          if (answer !== undefined) return answer;
          break;
        }
        default:
          return choice satisfies never;
      }
    }
  }

  #notify(
    request: PermissionRequest,
    wish: Wish,
    isRead: boolean,
  ): Thenable<(typeof buttons)[keyof typeof buttons] | undefined> {
    const { once, run, longer, deny, showAll } = buttons;
    const standing = shownScopesOf(request.access).length > 0 ? [run, longer] : [];
    const choices = isRead ? [once, ...standing, deny] : [showAll, deny];
    return request.access.capability === 'fs.read'
      ? vscode.window.showInformationMessage(wish.notification, ...choices)
      : vscode.window.showWarningMessage(wish.notification, ...choices);
  }

  async #pickScope(
    request: PermissionRequest,
    kind: 'run' | 'longer',
  ): Promise<PermissionAnswer | undefined> {
    const { capability } = request.access;
    const picksFor = (lifetime: GrantLifetime): ScopePick[] =>
      shownScopesOf(request.access).map(({ label, description, scope }) => ({
        ...{ label, description },
        grant: { lifetime, scope },
      }));
    const heading = (label: string): ScopePick => ({ label, kind: vscode.QuickPickItemKind.Separator });
    const picks =
      kind === 'run'
        ? picksFor('run')
        : [
            heading(longerFor.session),
            ...picksFor('session'),
            heading(longerFor.workspace),
            ...picksFor('workspace'),
          ];
    const name = escapeForDisplay(request.agent);
    const choice = await vscode.window.showQuickPick(picks, {
      title:
        kind === 'run' ? `Allow ${capability} for ${name}, until it ends` : `Allow ${capability} for longer`,
      placeHolder: 'What may it cover?',
      ignoreFocusOut: true,
    });
    return choice?.grant && { kind: 'allow', ...choice.grant };
  }

  #wishOf(request: PermissionRequest): Wish {
    const sameName = this.#fleet.live.filter(({ row }) => row.name === request.agent);
    const folders = vscode.workspace.workspaceFolders ?? [];
    return wishOf(request, { nameIsShared: sameName.length > 1, showsAbsolutePath: folders.length > 1 });
  }
}
