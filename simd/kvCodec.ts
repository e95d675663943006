// The inner loops of the KV state codec, four lanes at a time: plain elements to quantised blocks and back, with the
// orthonormal Hadamard rotation in between. Blocks are bit for bit those of ggml's reference quantisation. One call
// takes at most `maxElements`, a multiple of 32 and of the rotation, from the input area to the output area. Nothing
// is allocated and nothing checked: the caller keeps to the bounds.

/** Source and target types, numbered as in the engine's files. */
const f32Type: i32 = 0;
const f16Type: i32 = 1;
const q4Type: i32 = 2;

const blockElements: i32 = 32;
const q4Bytes: usize = 18;
const q8Bytes: usize = 34;

/** Elements a call may take: small enough that everything stays in a core's own cache. */
export const maxElements: i32 = 16384;
/** Areas of this module's memory; each holds `maxElements` of 4 bytes. */
export const inputAt: usize = 65536;
export const outputAt: usize = 131072;
/** One rotation's elements as F32. */
const work: usize = 196608;

/**
 * Rotates and quantises. Returns 0 where a scale does not fit F16, as of values that are not finite: what is in the
 * output area then means nothing.
 */
export function quantise(source: i32, target: i32, rotation: i32, elements: i32): i32 {
  const group = max(rotation, blockElements);
  const from = inputAt;
  let to = outputAt;
  let fits = true;
  for (let done = 0; done < elements; done += group) {
    widen(source, from, done, group);
    if (rotation > 0) rotate(rotation);
    const end = work + ((<usize>group) << 2);
    for (let block = work; block < end; block += 128) {
      const scale = target == q4Type ? quantiseQ4(block, to) : quantiseQ8(block, to);
      if ((scale & 0x7c00) == 0x7c00) fits = false;
      to += target == q4Type ? q4Bytes : q8Bytes;
    }
  }
  return i32(fits);
}

/** The way back: blocks to elements, rotated back. */
export function dequantise(source: i32, target: i32, rotation: i32, elements: i32): void {
  const group = max(rotation, blockElements);
  let from = inputAt;
  for (let done = 0; done < elements; done += group) {
    const end = work + ((<usize>group) << 2);
    for (let block = work; block < end; block += 128) {
      if (source == q4Type) dequantiseQ4(from, block);
      else dequantiseQ8(from, block);
      from += source == q4Type ? q4Bytes : q8Bytes;
    }
    if (rotation > 0) rotate(rotation);
    narrow(target, outputAt, done, group);
  }
}

/** Elements of the input area, as F32 into the work area. */
function widen(source: i32, area: usize, first: i32, count: i32): void {
  if (source == f32Type) {
    memory.copy(work, area + ((<usize>first) << 2), (<usize>count) << 2);
    return;
  }
  let from = area + ((<usize>first) << 1);
  const end = work + ((<usize>count) << 2);
  for (let to = work; to < end; to += 16) {
    const bits = v128.load_ext<u16>(from);
    v128.store(to, source == f16Type ? f16ToF32(bits) : i32x4.shl(bits, 16));
    from += 8;
  }
}

/** The work area, in the target's type into the output area. */
function narrow(target: i32, area: usize, first: i32, count: i32): void {
  if (target == f32Type) {
    memory.copy(area + ((<usize>first) << 2), work, (<usize>count) << 2);
    return;
  }
  let to = area + ((<usize>first) << 1);
  const end = work + ((<usize>count) << 2);
  for (let from = work; from < end; from += 32) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    const isF16 = target == f16Type;
    const lowBits = isF16 ? f32ToF16(low) : f32ToBf16(low);
    const highBits = isF16 ? f32ToF16(high) : f32ToBf16(high);
    v128.store(to, i16x8.narrow_i32x4_u(lowBits, highBits));
    to += 16;
  }
}

/** Walsh–Hadamard transform of `n` elements of the work area, divided by √n: its own inverse. */
function rotate(n: i32): void {
  const end = work + ((<usize>n) << 2);
  const odd = i32x4(0, i32.MIN_VALUE, 0, i32.MIN_VALUE);
  const upper = i32x4(0, 0, i32.MIN_VALUE, i32.MIN_VALUE);
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(<f32>n));
  for (let at = work; at < end; at += 16) {
    let x = f32x4.mul(v128.load(at), scale);
    x = f32x4.add(v128.shuffle<f32>(x, x, 0, 0, 2, 2), v128.xor(v128.shuffle<f32>(x, x, 1, 1, 3, 3), odd));
    x = f32x4.add(v128.shuffle<f32>(x, x, 0, 1, 0, 1), v128.xor(v128.shuffle<f32>(x, x, 2, 3, 2, 3), upper));
    v128.store(at, x);
  }
  for (let half: usize = 16; half < (<usize>n) << 2; half <<= 1) {
    for (let pair = work; pair < end; pair += half << 1) {
      for (let at = pair; at < pair + half; at += 16) {
        const a = v128.load(at);
        const b = v128.load(at + half);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + half, f32x4.sub(a, b));
      }
    }
  }
}

/** Writes a Q4_0 block: F16 scale, then element j in the low and j + 16 in the high half of byte j. */
function quantiseQ4(from: usize, to: usize): u32 {
  const scale = extremeOf(from) / -8;
  const inverse = f32x4.splat(scale != 0 ? <f32>1 / scale : 0);
  const bits = halfOf(scale);
  store<u16>(to, <u16>bits);
  const low = i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(nibbles(from, inverse), nibbles(from + 16, inverse)),
    i16x8.narrow_i32x4_s(nibbles(from + 32, inverse), nibbles(from + 48, inverse)),
  );
  const high = i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(nibbles(from + 64, inverse), nibbles(from + 80, inverse)),
    i16x8.narrow_i32x4_s(nibbles(from + 96, inverse), nibbles(from + 112, inverse)),
  );
  v128.store(to, v128.or(low, i8x16.shl(high, 4)), 2);
  return bits;
}

function nibbles(from: usize, inverse: v128): v128 {
  const scaled = f32x4.add(f32x4.mul(v128.load(from), inverse), f32x4.splat(8.5));
  return i32x4.min_s(i32x4.trunc_sat_f32x4_s(scaled), i32x4.splat(15));
}

/** The element of a block that is farthest from 0; the first of several. Not a number where one of them is not. */
function extremeOf(from: usize): f32 {
  let highs = v128.load(from);
  let lows = highs;
  for (let at: usize = 16; at < 128; at += 16) {
    const x = v128.load(from + at);
    highs = f32x4.max(highs, x);
    lows = f32x4.min(lows, x);
  }
  highs = f32x4.max(highs, v128.shuffle<f32>(highs, highs, 2, 3, 0, 1));
  lows = f32x4.min(lows, v128.shuffle<f32>(lows, lows, 2, 3, 0, 1));
  const highest = max<f32>(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1));
  const lowest = min<f32>(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1));
  if (highest > -lowest) return highest;
  if (highest < -lowest) return lowest;
  return firstOf(from, highest);
}

/** The first element of a block with this magnitude; where there is none, the magnitude. */
function firstOf(from: usize, magnitude: f32): f32 {
  if (magnitude == 0) return 0;
  for (let at: usize = 0; at < 128; at += 4) {
    const x = load<f32>(from + at);
    if (abs(x) == magnitude) return x;
  }
  return magnitude;
}

/** Writes a Q8_0 block: F16 scale, then 32 signed bytes. */
function quantiseQ8(from: usize, to: usize): u32 {
  let highs = f32x4.abs(v128.load(from));
  for (let at: usize = 16; at < 128; at += 16) highs = f32x4.max(highs, f32x4.abs(v128.load(from + at)));
  highs = f32x4.max(highs, v128.shuffle<f32>(highs, highs, 2, 3, 0, 1));
  const scale = max<f32>(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)) / 127;
  const inverse = f32x4.splat(scale != 0 ? <f32>1 / scale : 0);
  const bits = halfOf(scale);
  store<u16>(to, <u16>bits);
  for (let part: usize = 0; part < 2; part++) {
    const at = from + (part << 6);
    const bytes = i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(rounded(at, inverse), rounded(at + 16, inverse)),
      i16x8.narrow_i32x4_s(rounded(at + 32, inverse), rounded(at + 48, inverse)),
    );
    v128.store(to + (part << 4), bytes, 2);
  }
  return bits;
}

/** To the nearest integer, halves away from 0: adds the largest number below one half and cuts. */
function rounded(from: usize, inverse: v128): v128 {
  const x = f32x4.mul(v128.load(from), inverse);
  const sign = v128.and(x, i32x4.splat(i32.MIN_VALUE));
  return i32x4.trunc_sat_f32x4_s(f32x4.add(x, v128.or(i32x4.splat(0x3effffff), sign)));
}

function dequantiseQ4(from: usize, to: usize): void {
  const scale = f16ToF32(i32x4.splat(load<u16>(from)));
  const bytes = v128.load(from, 2);
  const low = i8x16.sub(v128.and(bytes, i8x16.splat(15)), i8x16.splat(8));
  const high = i8x16.sub(i8x16.shr_u(bytes, 4), i8x16.splat(8));
  spread(low, scale, to);
  spread(high, scale, to + 64);
}

function dequantiseQ8(from: usize, to: usize): void {
  const scale = f16ToF32(i32x4.splat(load<u16>(from)));
  spread(v128.load(from, 2), scale, to);
  spread(v128.load(from, 18), scale, to + 64);
}

/** Sixteen signed bytes, scaled. */
function spread(bytes: v128, scale: v128, to: usize): void {
  const low = i16x8.extend_low_i8x16_s(bytes);
  const high = i16x8.extend_high_i8x16_s(bytes);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), 16);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), 32);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), 48);
}

/** F16 in the low half of each lane. The product turns the exponent's bias, subnormal numbers included. */
function f16ToF32(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const finite = f32x4.mul(magnitude, i32x4.splat(0x77800000));
  const special = v128.and(i32x4.ge_u(magnitude, i32x4.splat(0x0f800000)), i32x4.splat(0x7f800000));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  return v128.or(v128.or(finite, special), sign);
}

/** To the nearest F16, ties to even: adding a number of the right exponent makes the hardware round at that bit. */
function f32ToF16(x: v128): v128 {
  const doubled = i32x4.add(x, x);
  const toInfinity = f32x4.mul(f32x4.abs(x), i32x4.splat(0x77800000));
  const base = f32x4.mul(toInfinity, i32x4.splat(0x08800000));
  const exponent = i32x4.max_u(v128.and(doubled, i32x4.splat(0xff000000)), i32x4.splat(0x71000000));
  const sum = f32x4.add(i32x4.add(i32x4.shr_u(exponent, 1), i32x4.splat(0x07800000)), base);
  const bits = i32x4.add(
    v128.and(i32x4.shr_u(sum, 13), i32x4.splat(0x7c00)),
    v128.and(sum, i32x4.splat(0x0fff)),
  );
  const isNan = i32x4.gt_u(doubled, i32x4.splat(0xff000000));
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  return v128.or(v128.bitselect(i32x4.splat(0x7e00), bits, isNan), sign);
}

/** To the nearest BF16, ties to even; what is not a number stays so. */
function f32ToBf16(x: v128): v128 {
  const even = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const nearest = i32x4.shr_u(i32x4.add(x, i32x4.add(even, i32x4.splat(0x7fff))), 16);
  const isNan = i32x4.gt_u(i32x4.add(x, x), i32x4.splat(0xff000000));
  return v128.bitselect(v128.or(i32x4.shr_u(x, 16), i32x4.splat(0x40)), nearest, isNan);
}

/** One number as F16. */
function halfOf(x: f32): u32 {
  return i32x4.extract_lane(f32ToF16(f32x4.splat(x)), 0);
}
