/**
 * Prepares a tool module before it may run: its memory and its tables get a maximum, and what would get around one
 * is refused (several memories, shared or 64-bit ones, imported ones, types that live on the garbage-collected heap,
 * imports that are not offered). What passes can hold no more than `memoryPages` and `tableEntries`, ever.
 */

import { KernelError } from '../../shared/errors.js';
import { numberBytes, Reader, readSections, sectionIds, writeSections } from './moduleReader.js';
import { entryPoint, environmentFunctionNames, type HostFunctionName } from './workerProtocol.js';

export interface ModuleLimits {
  /** Pages of 64 KiB. */
  readonly memoryPages: number;
  /** Entries of each table; a module has at most two, one for functions and one for references to the host. */
  readonly tableEntries: number;
  readonly moduleBytes: number;
}

const maxTables = 2;
const flagHasMaximum = 1;
const functionType = 0x60;
/** Numbers, vectors, and the two reference types that hold nothing by themselves. */
const plainValueTypes: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]);
const plainReferenceTypes: ReadonlySet<number> = new Set([0x70, 0x6f]);

/**
 * Compiles a module within its limits.
 * @throws KernelError `badRequest` that says why a module is refused.
 */
export async function compileConfined(
  bytes: Uint8Array,
  hostFunctions: readonly HostFunctionName[],
  limits: ModuleLimits,
): Promise<WebAssembly.Module> {
  const confined = confine(bytes, limits);
  const module = await WebAssembly.compile(confined).catch((error: unknown) => {
    throw new KernelError('badRequest', `it cannot be compiled: ${String(error)}`);
  });
  checkImports(module, hostFunctions);
  const hasEntry = WebAssembly.Module.exports(module).some(
    ({ name, kind }) => name === entryPoint && kind === 'function',
  );
  if (!hasEntry) throw new KernelError('badRequest', `it exports no function ${entryPoint}`);
  return module;
}

/** The module with its maxima written in. */
export function confine(bytes: Uint8Array, limits: ModuleLimits): Uint8Array {
  if (bytes.length > limits.moduleBytes) {
    throw new KernelError('badRequest', `it has more than ${limits.moduleBytes} bytes`);
  }
  return writeSections(
    readSections(bytes).map((section) => {
      const { id, body } = section;
      if (id > sectionIds.dataCount) throw refused(`section ${id}`);
      if (id === sectionIds.type) checkTypes(new Reader(body));
      if (id === sectionIds.table) return { id, body: limitTables(new Reader(body), limits.tableEntries) };
      if (id === sectionIds.memory) return { id, body: limitMemory(new Reader(body), limits.memoryPages) };
      return section;
    }),
  );
}

function refused(feature: string): KernelError {
  return new KernelError('badRequest', `it uses ${feature}, which is not offered`);
}

function checkImports(module: WebAssembly.Module, hostFunctions: readonly HostFunctionName[]): void {
  const offered: ReadonlySet<string> = new Set([
    ...environmentFunctionNames.map((name) => `extism:host/env.${name}`),
    ...[...hostFunctions, 'take_reply'].map((name) => `extism:host/user.${name}`),
  ]);
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== 'function' || !offered.has(`${from}.${name}`)) {
      throw new KernelError('badRequest', `it imports the ${kind} ${from}.${name}, which is not offered`);
    }
  }
}

/** Only functions over plain values: structures and arrays would be allocated where no maximum reaches. */
function checkTypes(reader: Reader): void {
  for (let count = reader.number(); count > 0; count--) {
    if (reader.byte() !== functionType) throw refused('a garbage-collected type');
    for (let lists = 0; lists < 2; lists++) {
      for (let values = reader.number(); values > 0; values--) {
        if (!plainValueTypes.has(reader.byte())) throw refused('a typed reference');
      }
    }
  }
}

function limitMemory(reader: Reader, maxPages: number): Uint8Array {
  const count = reader.number();
  if (count !== 1) throw refused(`${count} memories`);
  return Uint8Array.from([1, ...limitRange(reader, maxPages, 'pages of memory')]);
}

function limitTables(reader: Reader, maxEntries: number): Uint8Array {
  const count = reader.number();
  if (count > maxTables) throw refused(`${count} tables`);
  const body = [count];
  for (let index = 0; index < count; index++) {
    const type = reader.byte();
    if (!plainReferenceTypes.has(type)) throw refused('a table with an initialiser or typed references');
    body.push(type, ...limitRange(reader, maxEntries, 'table entries'));
  }
  return Uint8Array.from(body);
}

/** A minimum and maybe a maximum, both of 32 bits and not shared; now with a maximum no larger than `most`. */
function limitRange(reader: Reader, most: number, what: string): number[] {
  const flags = reader.byte();
  if ((flags & ~flagHasMaximum) !== 0) throw refused('shared or 64-bit memory');
  const minimum = reader.number();
  const maximum = flags === flagHasMaximum ? Math.min(reader.number(), most) : most;
  if (minimum > maximum)
    throw new KernelError('badRequest', `it needs ${minimum} ${what}, and may have ${most}`);
  return [flagHasMaximum, ...numberBytes(minimum), ...numberBytes(maximum)];
}
