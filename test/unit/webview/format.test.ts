import assert from 'node:assert/strict';
import { formatBytes, formatCount, formatMs, formatRate, formatShare } from '../../../webview/format.js';

const cases: [string, string][] = [
  [formatCount(12_345, 'en'), '12,345'],
  [formatRate(0, 'en'), '–'],
  [formatRate(4.26, 'en'), '4.3'],
  [formatRate(41.4, 'en'), '41'],
  [formatBytes(0, 'en'), '–'],
  [formatBytes(999, 'en'), '999 B'],
  [formatBytes(1_500_000, 'en'), '1.5 MB'],
  [formatBytes(25_000_000, 'en'), '25 MB'],
  [formatBytes(5e15, 'en'), '5,000 TB'],
  [formatMs(12.4, 'en'), '12 ms'],
  [formatMs(3_250, 'en'), '3.3 s'],
  [formatMs(125_000, 'en'), '2 min 5 s'],
  [formatMs(null, 'en'), '–'],
  [formatShare(null, 'en'), '–'],
  [formatShare(0, 'en'), '0%'],
  [formatShare(0.756, 'en'), '76%'],
];

suite('numbers in the task manager', () => {
  for (const [actual, expected] of cases) test(`reads ${expected}`, () => assert.equal(actual, expected));
});
