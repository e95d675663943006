/**
 * The output view "Agents": what agents say and do, with places in files to click on. Links open files of the
 * workspace and nothing else; no word of a model becomes a command.
 */

import * as vscode from 'vscode';
import type { Disposable } from '../shared/lifecycle.js';
import { findLocations, type Location } from './locations.js';
import { Transcript } from './transcript.js';

/** The language of the output view, contributed by package.json. */
const languageId = 'agent-output';

class LocationLink extends vscode.DocumentLink {
  readonly location: Location;

  constructor(range: vscode.Range, location: Location) {
    super(range);
    this.location = location;
    this.tooltip = 'Open';
  }
}

export class AnswersView implements Disposable {
  readonly transcript: Transcript;
  readonly #channel = vscode.window.createOutputChannel('Agents', languageId);
  readonly #links = vscode.languages.registerDocumentLinkProvider(
    { language: languageId },
    { provideDocumentLinks, resolveDocumentLink },
  );

  constructor() {
    this.transcript = new Transcript((text) => this.#channel.append(text));
  }

  reveal(): void {
    this.#channel.show(true);
  }

  dispose(): void {
    this.#links.dispose();
    this.#channel.dispose();
  }
}

function provideDocumentLinks(document: vscode.TextDocument): LocationLink[] {
  const links: LocationLink[] = [];
  for (let line = 0; line < document.lineCount; line++) {
    for (const location of findLocations(document.lineAt(line).text)) {
      const end = location.start + location.length;
      links.push(new LocationLink(new vscode.Range(line, location.start, line, end), location));
    }
  }
  return links;
}

/** In a workspace of several folders the first that has the file is meant. */
async function resolveDocumentLink(link: LocationLink): Promise<LocationLink> {
  const candidates = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) =>
    vscode.Uri.joinPath(uri, link.location.path),
  );
  const { line, column } = link.location;
  const fragment = line === 0 ? '' : `L${line}${column === 0 ? '' : `,${column}`}`;
  const target = (await firstExisting(candidates)) ?? candidates[0];
  if (target !== undefined) link.target = target.with({ fragment });
  return link;
}

async function firstExisting(candidates: readonly vscode.Uri[]): Promise<vscode.Uri | undefined> {
  for (const uri of candidates) {
    const exists = await vscode.workspace.fs.stat(uri).then(
      () => true,
      () => false,
    );
    if (exists) return uri;
  }
  return undefined;
}
