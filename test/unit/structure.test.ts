// Keeps the architecture true: who may import whom, that nothing imports in a circle, and the shape every file has.
// It reads sources with the TypeScript parser and looks at what is imported, never at names or text. What the
// compiler's project references already refuse is checked again here, so that one failure names the file and the rule.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Each part, and the parts it may import. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'src/shared': [],
  'src/hal': ['src/shared'],
  'src/kernel': ['src/shared', 'src/hal'],
  'src/client': ['src/shared'],
  'src/cli': ['src/shared', 'src/client'],
  'src/extension': ['src/shared', 'src/client'],
  webview: ['src/shared'],
};

/** The kernel's folders, and those they may import. Its files outside of folders put them together. */
const kernelArrows: Readonly<Record<string, readonly string[]>> = {
  'src/kernel/scheduler': ['src/kernel/kv'],
  'src/kernel/sandbox': ['src/kernel/audit'],
  'src/kernel/audit': [],
  'src/kernel/kv': [],
  'src/kernel/context': ['src/kernel/kv', 'src/kernel/context/store'],
  'src/kernel/journal': ['src/kernel/context'],
  'src/kernel/context/store': [],
  'src/kernel/ipc': ['src/kernel/agent'],
  'src/kernel/gateways': [],
  'src/kernel/gateways/openai': ['src/kernel/gateways', 'src/kernel/agent', 'src/kernel/scheduler'],
  'src/kernel/agent': [
    'src/kernel/scheduler',
    'src/kernel/sandbox',
    'src/kernel/kv',
    'src/kernel/journal',
    'src/kernel/context',
  ],
};

/** Modules that only these files or folders may import. */
const owners: Readonly<Record<string, readonly string[]>> = {
  vscode: ['src/extension/'],
  'node-llama-cpp': ['src/hal/llama/'],
  'node:fs': [
    'src/hal/disk.ts',
    'src/hal/fileCalls.ts',
    'src/hal/processTree.ts',
    'src/hal/runtimeFolder.ts',
    'src/hal/llama/modelFile.ts',
    'src/hal/llama/pulledFiles.ts',
    'src/client/userDirs.ts',
  ],
  'node:fs/promises': [
    'src/hal/disk.ts',
    'src/hal/scratch.ts',
    'src/hal/fileCalls.ts',
    'src/hal/processIdentity.ts',
    'src/hal/llama/modelFile.ts',
    'src/hal/llama/pulledFiles.ts',
    'src/cli/main.ts',
    'src/hal/runtimeFolder.ts',
    'src/client/runningKernels.ts',
  ],
  'node:child_process': [
    'src/hal/',
    'src/client/kernelChild.ts',
    'src/client/stateTool.ts',
    'src/client/modelPull.ts',
  ],
};

const maxLines = 400;

interface Import {
  readonly specifier: string;
  /** Erased by the compiler as a whole: it cannot make a circle at run time. `import { type X }` is not. */
  readonly isTypeOnly: boolean;
}

const sources = listFiles(['src', 'webview'], ['.ts']);
const imports = new Map(sources.map((file) => [file, importsOf(file)]));

suite('structure', () => {
  test('a part imports only the parts that its arrow points to', () => {
    const mayImport = (from: string, to: string) => from === to || arrows[from]?.includes(to) === true;
    assert.deepEqual(
      edges().filter(([from, to]) => !mayImport(partOf(from), partOf(to))),
      [],
    );
  });

  test('a folder of the kernel imports only the folders below it', () => {
    const wrong = edges().filter(([from, to]) => {
      const below = kernelArrows[dirname(from)];
      const isInside = to.startsWith('src/kernel/') && dirname(to) !== dirname(from);
      return below !== undefined && isInside && !below.includes(dirname(to));
    });
    assert.deepEqual(wrong, []);
    const folders = new Set(sources.map(dirname).filter((folder) => folder.startsWith('src/kernel/')));
    assert.deepEqual([...folders].sort(), Object.keys(kernelArrows).sort());
  });

  test('vscode, the engine, files and processes are imported by their owners alone', () => {
    const wrong = [...imports].flatMap(([file, list]) =>
      list
        .filter(({ specifier }) => owners[specifier]?.some((owner) => file.startsWith(owner)) === false)
        .map(({ specifier }) => `${file} imports ${specifier}`),
    );
    assert.deepEqual(wrong, []);
  });

  test('outside of the drivers only the boot file names a driver', () => {
    const wrong = edges().filter(
      ([from, to]) =>
        to.startsWith('src/hal/llama/') && !from.startsWith('src/hal/') && from !== 'src/kernel/main.ts',
    );
    assert.deepEqual(wrong, []);
  });

  test('nothing imports in a circle', () => {
    assert.deepEqual(findCircle(runTimeGraph()), []);
  });

  test('every file opens with a comment that says what it is for', () => {
    const others = listFiles(['test', 'scripts', 'simd', 'wasm-tools'], ['.ts', '.mjs', '.cjs']);
    const files = [...sources, ...others.filter((file) => !file.endsWith('.test.ts'))];
    const silent = files.filter((file) => !/^(#!.*\n)?(\/\/ |\/\*\*)/.test(read(file)));
    assert.deepEqual(silent, []);
  });

  test(`no file is longer than ${maxLines} lines`, () => {
    const long = sources.filter((file) => read(file).trimEnd().split('\n').length > maxLines);
    assert.deepEqual(long, []);
  });

  test('the checks see through every way to write an import', () => {
    const text = `
      import a, { type B } from './a.js';
      import type { C } from './c.js';
      import { type D } from './d.js';
      import './e.js';
      export * from './f.js';
      export type { G } from './g.js';
      const h = await import('./h.js');
      type I = import('./i.js').I;
    `;
    const found = importsIn(ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true));
    const named = (isTypeOnly: boolean) =>
      found.filter((each) => each.isTypeOnly === isTypeOnly).map((each) => each.specifier);
    assert.deepEqual(named(false), ['./a.js', './d.js', './e.js', './f.js', './h.js']);
    assert.deepEqual(named(true), ['./c.js', './g.js', './i.js']);
  });

  test('a circle is found and told in order', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['b']],
    ]);
    assert.deepEqual(findCircle(graph), ['b', 'd', 'b']);
    assert.deepEqual(findCircle(new Map([['a', ['b']]])), []);
  });
});

/** Every import of one source by another, types included. */
function edges(): readonly (readonly [from: string, to: string])[] {
  return [...imports].flatMap(([from, list]) =>
    list.flatMap(({ specifier }) => {
      const to = resolve(from, specifier);
      return to === undefined ? [] : [[from, to] as const];
    }),
  );
}

function partOf(file: string): string {
  return file.startsWith('src/') ? file.split('/').slice(0, 2).join('/') : (file.split('/')[0] ?? '');
}

/** The file that a relative import names, from the repository's root; nothing for a package. */
function resolve(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return join(dirname(file), specifier).replaceAll('\\', '/').replace(/\.js$/, '.ts');
}

function runTimeGraph(): ReadonlyMap<string, readonly string[]> {
  const targets = (file: string, list: readonly Import[]) =>
    list
      .filter((each) => !each.isTypeOnly)
      .map((each) => resolve(file, each.specifier))
      .filter((target) => target !== undefined);
  return new Map([...imports].map(([file, list]) => [file, targets(file, list)]));
}

/** The first circle in a graph, its first node repeated at the end, or nothing. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): readonly string[] => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...path, node]);
      if (circle.length > 0) return circle;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const circle = visit(node, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

function importsOf(file: string): readonly Import[] {
  return importsIn(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true));
}

function importsIn(source: ts.SourceFile): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean) => {
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      found.push({ specifier: specifier.text, isTypeOnly });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function listFiles(folders: readonly string[], extensions: readonly string[]): readonly string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && extensions.some((extension) => entry.name.endsWith(extension)))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
    )
    .filter((file) => !file.startsWith('test/fixtures/') && !file.endsWith('.d.ts'))
    .sort();
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
