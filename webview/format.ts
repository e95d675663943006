/** Numbers as people read them, in the reader's own language. Pure. */

export function formatCount(value: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value);
}

/** Nothing is said of a speed that was not measured yet. */
export function formatRate(perSecond: number, locale?: string): string {
  if (perSecond <= 0) return '–';
  const digits = perSecond < 10 ? 1 : 0;
  return new Intl.NumberFormat(locale, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(perSecond);
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

export function formatBytes(bytes: number, locale?: string): string {
  if (bytes <= 0) return '–';
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), byteUnits.length - 1);
  const value = bytes / 1000 ** power;
  const digits = power > 0 && value < 10 ? 1 : 0;
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
  return `${number} ${byteUnits[power] ?? 'B'}`;
}

/** @param ms null where nothing was measured */
export function formatMs(ms: number | null, locale?: string): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${formatCount(ms, locale)} ms`;
  if (ms < 60_000) {
    const seconds = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    return `${seconds.format(ms / 1_000)} s`;
  }
  const minutes = Math.floor(ms / 60_000);
  return `${formatCount(minutes, locale)} min ${formatCount(Math.floor((ms % 60_000) / 1_000), locale)} s`;
}

/** The time of day, and the day where it is another one. @param atMs since the epoch */
export function formatTime(atMs: number, nowMs: number, locale?: string): string {
  const isToday = new Date(atMs).toDateString() === new Date(nowMs).toDateString();
  const style = isToday
    ? ({ timeStyle: 'short' } as const)
    : ({ dateStyle: 'medium', timeStyle: 'short' } as const);
  return new Intl.DateTimeFormat(locale, style).format(atMs);
}

/** @param share 0 to 1; null where nothing was measured */
export function formatShare(share: number | null, locale?: string): string {
  return share === null ? '–' : new Intl.NumberFormat(locale, { style: 'percent' }).format(share);
}
