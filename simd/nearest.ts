// The inner loop of a search for near vectors: dot products of one vector and many, eight numbers at a time. Nothing is
// allocated and nothing checked: the caller lays out this module's memory and keeps to the bounds.

/** Of the vector at `query` and each of `count` rows of as many numbers from `rows` on; a result for each at `results`. */
export function compare(query: usize, rows: usize, results: usize, count: i32, dimensions: i32): void {
  const whole = (dimensions & ~7) << 2;
  const bytes = dimensions << 2;
  let row = rows;
  for (let index = 0; index < count; index++) {
    let even = f32x4.splat(0);
    let odd = f32x4.splat(0);
    let at = 0;
    for (; at < whole; at += 32) {
      even = f32x4.add(even, f32x4.mul(v128.load(row + at), v128.load(query + at)));
      odd = f32x4.add(odd, f32x4.mul(v128.load(row + at + 16), v128.load(query + at + 16)));
    }
    const sums = f32x4.add(even, odd);
    let sum =
      f32x4.extract_lane(sums, 0) +
      f32x4.extract_lane(sums, 1) +
      (f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3));
    for (; at < bytes; at += 4) sum += load<f32>(row + at) * load<f32>(query + at);
    store<f32>(results + (index << 2), sum);
    row += bytes;
  }
}
