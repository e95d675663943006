// A short run of the fuzzer, always the same; `npm run test:fuzz` has the long one.
import assert from 'node:assert/strict';
import { fuzzKvCodec } from '../../../fuzz/kvCodec.js';

suite('what reads kept state', () => {
  test('neither crashes nor takes what is wrong, 20,000 times', function () {
    this.timeout(60_000);
    const report = fuzzKvCodec({ seed: 0, first: 0, runs: 20_000 });
    assert.deepEqual(report.crashes, []);
    assert.deepEqual(report.corruptions, []);
    assert.equal(report.refused + report.accepted + report.unchanged, 20_000);
    for (const [name, [refused]] of Object.entries(report.targets)) assert.ok(refused > 2_000, name);
  });
});
