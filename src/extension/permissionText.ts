/**
 * The words of a permission prompt. Everything an agent or a file name could have chosen is shown escaped, and in
 * full: a notification that hides part of a command must not offer to allow it. The text says what would be
 * touched, never what the model says about it.
 */

import { scopeOf, type Access } from '../shared/capability.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { PermissionRequest } from '../shared/protocol.js';
import { scopeChoicesOf, type ScopeChoice } from '../shared/scopeChoices.js';

/** The editor cuts a notification at 1,000 characters; a text this long is shown in full elsewhere first. */
const maxTextLength = 600;

const verbs = { 'fs.read': 'read', 'fs.write': 'change', 'process.run': 'run' } as const;

export interface Wish {
  /** The whole wish, escaped. */
  readonly text: string;
  /** What a notification may show of it. */
  readonly notification: string;
  readonly isCut: boolean;
}

/**
 * @param nameIsShared another live agent has the same name, so that the number must tell them apart
 * @param showsAbsolutePath where a path relative to the folder would be ambiguous, as in a multi-root workspace
 */
export function wishOf(
  request: PermissionRequest,
  { nameIsShared, showsAbsolutePath }: { nameIsShared: boolean; showsAbsolutePath: boolean },
): Wish {
  const { access, agent, pid, target } = request;
  const who = nameIsShared ? `${agent} (${pid})` : agent;
  const text = `${escapeForDisplay(who)} wants to ${verbs[access.capability]} ${whatOf(access, target, showsAbsolutePath)}`;
  const harmless = defuseLinks(text);
  const isCut = harmless.length > maxTextLength;
  const notification = isCut ? `${harmless.slice(0, maxTextLength)}… (${text.length} characters)` : harmless;
  return { text, notification, isCut };
}

function whatOf(access: Access, target: string, showsAbsolutePath: boolean): string {
  const exact = escapeForDisplay(scopeOf(access));
  const resolved = escapeForDisplay(target);
  if (access.capability === 'process.run') return resolved === exact ? exact : `${exact} (${resolved})`;
  if (showsAbsolutePath) return resolved;
  return access.path === '.' ? `the workspace folder (${resolved})` : exact;
}

/** A notification turns `[text](command:…)` into a link that runs; escaped, it is only text. */
export function defuseLinks(text: string): string {
  return text.replaceAll('](', ']\\u{28}');
}

/** Labels of a quick pick turn `$(name)` into an icon; a backslash before it keeps it text. */
export function defuseIcons(text: string): string {
  return text.replaceAll('$(', '\\$(');
}

/** The scopes on offer, with labels that a pick list shows as they are. */
export function shownScopesOf(access: Access): readonly ScopeChoice[] {
  return scopeChoicesOf(access).map((choice) => ({
    ...choice,
    label: defuseIcons(escapeForDisplay(choice.label)),
  }));
}
