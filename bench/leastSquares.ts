/**
 * Linear least squares with coefficients that are not negative, since they are times: a coefficient that would be is
 * taken out and the others are fitted again. Errors are relative, or the long steps would be all that counts. Pure.
 */

export interface Observation {
  /** What the device did: one number for each coefficient. */
  readonly features: readonly number[];
  readonly ms: number;
}

export interface Fit {
  readonly coefficients: readonly number[];
  /** Root of the mean square of the relative error. */
  readonly relativeError: number;
}

export function fitNonNegative(observations: readonly Observation[]): Fit {
  const count = observations[0]?.features.length ?? 0;
  let used = Array.from({ length: count }, (_, index) => index);
  for (;;) {
    const solution = solveFor(observations, used);
    const least = Math.min(...solution);
    if (least >= 0 || used.length === 1) {
      const coefficients = Array.from({ length: count }, (_, index) => solution[used.indexOf(index)] ?? 0);
      return { coefficients, relativeError: errorOf(observations, coefficients) };
    }
    used = used.filter((_, index) => solution[index] !== least);
  }
}

/** The normal equations of the features in `used`, each observation divided by its time. */
function solveFor(observations: readonly Observation[], used: readonly number[]): number[] {
  const rows = observations.map(({ features, ms }) => used.map((index) => (features[index] ?? 0) / ms));
  const matrix = used.map((_, i) => [
    ...used.map((_unused, j) => rows.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)),
    rows.reduce((sum, row) => sum + (row[i] ?? 0), 0),
  ]);
  return solve(matrix);
}

/** Gauss-Jordan elimination with the largest pivot of each column. */
function solve(matrix: number[][]): number[] {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    const below = matrix.slice(column);
    const pivot = below.reduce((best, row) =>
      Math.abs(row[column] ?? 0) > Math.abs(best[column] ?? 0) ? row : best,
    );
    const scale = pivot[column] ?? 0;
    if (scale === 0) throw new Error(`feature ${column} does not vary in what was measured`);
    matrix[matrix.indexOf(pivot)] = matrix[column] ?? [];
    matrix[column] = pivot.map((value) => value / scale);
    for (const [index, row] of matrix.entries()) {
      if (index === column) continue;
      const factor = row[column] ?? 0;
      matrix[index] = row.map((value, at) => value - factor * (matrix[column]?.[at] ?? 0));
    }
  }
  return matrix.map((row) => row[size] ?? 0);
}

function errorOf(observations: readonly Observation[], coefficients: readonly number[]): number {
  const squares = observations.map(({ features, ms }) => {
    const predicted = features.reduce((sum, value, index) => sum + value * (coefficients[index] ?? 0), 0);
    return ((predicted - ms) / ms) ** 2;
  });
  return Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / squares.length);
}
