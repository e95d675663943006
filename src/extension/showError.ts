/**
 * The one place that shows an error to a person: what happened, and buttons for what can be done about it. Shows
 * no modal, and nothing at all for what the person took back.
 */

import * as vscode from 'vscode';
import { KernelError, messageOf } from '../shared/errors.js';
import { escapeForDisplay } from '../shared/escape.js';
import { nextStepsFor } from './nextSteps.js';
import { defuseLinks } from './permissionText.js';

export function showError(error: unknown): void {
  const code = error instanceof KernelError ? error.code : 'bug';
  if (code === 'cancelled') return;
  const steps = nextStepsFor(code);
  void vscode.window
    .showErrorMessage(sentence(messageOf(error)), ...steps.map(({ label }) => label))
    .then((chosen) => {
      const next = steps.find(({ label }) => label === chosen);
      return next && vscode.commands.executeCommand(next.command, ...next.arguments);
    });
}

/** Errors are written as half sentences; alone in a notification they begin and end like whole ones. */
function sentence(message: string): string {
  const text = defuseLinks(escapeForDisplay(message));
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
