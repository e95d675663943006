/** Sizes as people read them. Decimal units, as file managers and model pages use. */

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

function scaleOf(bytes: number): { divisor: number; unit: string; digits: number } {
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return { divisor: 1000 ** power, unit: units[power] ?? 'bytes', digits: power === 0 ? 0 : 1 };
}

/** For example `4.7 GB`. */
export function formatBytes(bytes: number): string {
  const { divisor, unit, digits } = scaleOf(bytes);
  return `${(bytes / divisor).toFixed(digits)} ${unit}`;
}

/** For example `3.1 of 4.7 GB`; with as many digits as it takes to tell the two apart. */
export function formatBytesOf(part: number, whole: number): string {
  if (part < whole / 20) return `${formatBytes(part)} of ${formatBytes(whole)}`;
  const { divisor, unit, digits } = scaleOf(whole);
  for (let precision = digits; precision < 12; precision++) {
    const [a, b] = [(part / divisor).toFixed(precision), (whole / divisor).toFixed(precision)];
    if (a !== b) return `${a} of ${b} ${unit}`;
  }
  return `${part} of ${whole} bytes`;
}
