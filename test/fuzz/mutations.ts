// Ways to damage bytes: what disks, networks, faulty programs and people do to files. Deterministic by its random source.

/** A random source, as `Math.random`. */
export type Random = () => number;

const below = (limit: number, random: Random): number => Math.floor(random() * limit);

export function pick<T>(choices: readonly T[], random: Random): T {
  const chosen = choices[below(choices.length, random)];
  if (chosen === undefined) throw new Error('nothing to pick from');
  return chosen;
}

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

/** Values at which lengths, counts and signs go wrong. */
const edges = [0, 1, 2, 3, 7, 255, 256, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const tokens = [
  '0',
  '1',
  '-1',
  '9',
  '1e9',
  '99999999999',
  '[',
  ']',
  '{',
  '}',
  '"',
  ',',
  ':',
  'null',
  ' ',
  '\\u0000',
];

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = below(bytes.length, random);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8, random));
  return bytes;
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
  bytes[below(bytes.length, random)] = below(256, random);
  return bytes;
}

/** Where there is a word, more often at the beginning, where counts are. */
function wordAt(bytes: Uint8Array, random: Random): number | undefined {
  if (bytes.length < 4) return undefined;
  const limit = random() < 0.5 ? Math.min(bytes.length, 128) : bytes.length;
  return below(Math.floor(limit / 4), random) * 4;
}

function setEdge(bytes: Uint8Array, random: Random): Uint8Array {
  const at = wordAt(bytes, random);
  if (at !== undefined) new DataView(bytes.buffer).setUint32(at, pick(edges, random), true);
  return bytes;
}

function addToWord(bytes: Uint8Array, random: Random): Uint8Array {
  const at = wordAt(bytes, random);
  const view = new DataView(bytes.buffer);
  if (at !== undefined) view.setUint32(at, view.getUint32(at, true) + below(9, random) - 4, true);
  return bytes;
}

const cut: Mutation = (bytes, random) => bytes.subarray(0, below(bytes.length, random));

const extend: Mutation = (bytes, random) =>
  Uint8Array.from([...bytes, ...Array.from({ length: 1 + below(16, random) }, () => below(256, random))]);

function range(bytes: Uint8Array, random: Random): readonly [from: number, to: number] {
  const from = below(bytes.length, random);
  return [from, Math.min(bytes.length, from + 1 + below(64, random))];
}

const without = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  spliced(bytes, from, to, new Uint8Array());

function spliced(bytes: Uint8Array, from: number, to: number, put: Uint8Array): Uint8Array {
  const result = new Uint8Array(from + put.length + bytes.length - to);
  result.set(bytes.subarray(0, from));
  result.set(put, from);
  result.set(bytes.subarray(to), from + put.length);
  return result;
}

const removeRange: Mutation = (bytes, random) => without(bytes, ...range(bytes, random));

function repeatRange(bytes: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(bytes, random);
  return spliced(bytes, to, to, bytes.slice(from, to));
}

const zeroRange: Mutation = (bytes, random) => bytes.fill(0, ...range(bytes, random));

function moveRange(bytes: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(bytes, random);
  const rest = without(bytes, from, to);
  const at = below(rest.length + 1, random);
  return spliced(rest, at, at, bytes.slice(from, to));
}

/** Text in the place of text: damages a header without making it noise. */
function putToken(bytes: Uint8Array, random: Random): Uint8Array {
  const at = below(bytes.length, random);
  const token = new TextEncoder().encode(pick(tokens, random));
  return spliced(bytes, at, Math.min(bytes.length, at + below(token.length + 1, random)), token);
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function changeDigit(bytes: Uint8Array, random: Random): Uint8Array {
  for (let at = below(bytes.length, random); at < bytes.length; at++) {
    if (!isDigit(bytes[at])) continue;
    bytes[at] = 0x30 + below(10, random);
    break;
  }
  return bytes;
}

const mutations: readonly Mutation[] = [
  flipBit,
  setByte,
  setEdge,
  addToWord,
  cut,
  extend,
  removeRange,
  repeatRange,
  zeroRange,
  moveRange,
  putToken,
  changeDigit,
];

/** The bytes after one to four mutations; perhaps what they were. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let mutated = Uint8Array.from(bytes);
  for (let left = 1 + below(4, random); left > 0; left--) {
    if (mutated.length > 0) mutated = Uint8Array.from(pick(mutations, random)(mutated, random));
  }
  return mutated;
}
