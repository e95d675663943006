/**
 * The task manager's page: an empty frame with one script and one style sheet. Its policy allows nothing else: no
 * inline script or style, no network, no image, no frame. The script builds the rest out of text nodes.
 */

/** An inline style that is empty: the controls make one to find out whether the browser knows `:focus-visible`. */
const emptyStyle = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

export interface PageParts {
  readonly cspSource: string;
  readonly nonce: string;
  readonly scriptUri: string;
  readonly styleUri: string;
}

export function taskManagerHtml({ cspSource, nonce, scriptUri, styleUri }: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource} ${emptyStyle}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="stylesheet" href="${styleUri}">
<title>Task Manager</title>
</head>
<body>
<main id="page"></main>
<script nonce="${nonce}" src="${scriptUri}"></script>
</body>
</html>`;
}
