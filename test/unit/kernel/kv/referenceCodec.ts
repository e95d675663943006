// What the SIMD loops must compute, written once more for reading: element by element, in the order of ggml's
// reference quantisation, every intermediate rounded to F32. Slow, and used by tests alone.

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);
const round = Math.fround;

function bitsOf(value: number): number {
  floats[0] = value;
  return words[0]!;
}

function floatOf(bits: number): number {
  words[0] = bits;
  return floats[0]!;
}

/** F32 to F16, to nearest, ties to even. */
export function referenceHalf(value: number): number {
  const sign = (bitsOf(value) >>> 16) & 0x8000;
  if (Number.isNaN(value)) return sign | 0x7e00;
  const magnitude = Math.abs(round(value));
  if (magnitude === Infinity) return sign | 0x7c00;
  // The distance between neighbours; 2⁻²⁴ for everything below the smallest normal number.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 2 ** -30)));
  const unit = 2 ** (exponent - 10);
  const steps = magnitude / unit;
  const below = Math.floor(steps);
  const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1);
  const half = (below + Number(up)) * unit;
  if (half >= 65536) return sign | 0x7c00;
  if (half < 2 ** -14) return sign | (half / 2 ** -24);
  const power = Math.floor(Math.log2(half));
  return sign | ((power + 15) << 10) | (half / 2 ** (power - 10) - 1024);
}

export function referenceFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** BF16 to F32 is exact; the way back is to nearest, ties to even. */
export const referenceBrain = (value: number): number => {
  const bits = bitsOf(value);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
};
export const referenceFloatOfBrain = (brain: number): number => floatOf((brain << 16) >>> 0);

/** Walsh–Hadamard over √n, in place, for every n elements. */
export function referenceRotate(values: Float32Array, n: number): void {
  if (n === 0) return;
  const scale = round(1 / round(Math.sqrt(n)));
  for (let at = 0; at < values.length; at++) values[at] = round(values[at]! * scale);
  for (let start = 0; start < values.length; start += n) {
    for (let half = 1; half < n; half *= 2) {
      for (let pair = start; pair < start + n; pair += half * 2) {
        for (let at = pair; at < pair + half; at++) {
          const [a, b] = [values[at]!, values[at + half]!];
          values[at] = round(a + b);
          values[at + half] = round(a - b);
        }
      }
    }
  }
}

export function referenceQuantise(values: Float32Array, to: 'q8_0' | 'q4_0'): Uint8Array {
  const blocks: number[] = [];
  for (let at = 0; at < values.length; at += 32) {
    const block = values.subarray(at, at + 32);
    blocks.push(...(to === 'q4_0' ? blockQ4(block) : blockQ8(block)));
  }
  return Uint8Array.from(blocks);
}

function blockQ4(block: Float32Array): number[] {
  let extreme = 0;
  for (const value of block) if (Math.abs(extreme) < Math.abs(value)) extreme = value;
  const scale = round(extreme / -8);
  const inverse = scale === 0 ? 0 : round(1 / scale);
  const nibble = (value: number) => Math.min(15, Math.trunc(round(round(value * inverse) + 8.5)));
  const bytes = Array.from({ length: 16 }, (_, j) => nibble(block[j]!) | (nibble(block[j + 16]!) << 4));
  return [...scaleBytes(scale), ...bytes];
}

function blockQ8(block: Float32Array): number[] {
  const scale = round(Math.max(...block.map(Math.abs)) / 127);
  const inverse = scale === 0 ? 0 : round(1 / scale);
  const byte = (value: number) => {
    const scaled = round(value * inverse);
    return Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
  };
  return [...scaleBytes(scale), ...Array.from(block, byte)];
}

const scaleBytes = (scale: number): number[] => [referenceHalf(scale) & 0xff, referenceHalf(scale) >>> 8];

export function referenceDequantise(blocks: Uint8Array, from: 'q8_0' | 'q4_0'): Float32Array {
  const size = from === 'q4_0' ? 18 : 34;
  const values: number[] = [];
  for (let at = 0; at < blocks.length; at += size) {
    const scale = referenceFloat(blocks[at]! | (blocks[at + 1]! << 8));
    const bytes = blocks.subarray(at + 2, at + size);
    const steps =
      from === 'q4_0'
        ? [...Array.from(bytes, (byte) => (byte & 15) - 8), ...Array.from(bytes, (byte) => (byte >> 4) - 8)]
        : Array.from(new Int8Array(bytes.slice().buffer));
    values.push(...steps.map((step) => round(step * scale)));
  }
  return Float32Array.from(values);
}
