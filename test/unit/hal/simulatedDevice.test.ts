// The device model: what steps and moves cost on a device that was measured.
import assert from 'node:assert/strict';
import { costsOf, featuresOf, type DeviceProfile } from '../../../src/hal/deviceModel.js';
import { deviceProfiles } from '../../../src/hal/deviceProfiles.js';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { createSimulatedDriver } from '../../../src/hal/simulated.js';

const profile: DeviceProfile = {
  model: 'test',
  device: 'test',
  kvBytesPerToken: 100,
  stepMs: [1, 0.1, 0.5, 2, 1],
  save: { fixedMs: 1, tokenMs: 0.01 },
  load: { fixedMs: 0.5, tokenMs: 0.001 },
  relativeError: 0,
};

suite('the device model', () => {
  test('counts what a step has to do', () => {
    assert.deepEqual(featuresOf([]), [1, 0, 0, 0, 0]);
    assert.deepEqual(featuresOf([{ count: 1, resident: 999 }]), [1, 0, 1, 1, 0]);
    assert.deepEqual(
      featuresOf([
        { count: 1, resident: 0 },
        { count: 10, resident: 100 },
        { count: 100, resident: 0 },
      ]),
      [1, 110, 1, 0.001 + 1.055, 5.05],
    );
  });

  test('moves the clock of a simulated driver', async () => {
    const clock = createManualClock();
    const driver = createSimulatedDriver({ respond: () => 'x', clock, ...costsOf(profile) });
    assert.equal(driver.info.kvBytesPerToken, 100);
    const [slot, other] = driver.slots;
    const tokens = driver.tokenize('a '.repeat(50));
    await driver.step([{ slot: slot!, tokens }]);
    assert.ok(Math.abs(clock.now() - (1 + 10 + 5.05)) < 1e-9, `${clock.now()}`);
    await driver.saveState(slot!, '/ram/1');
    await driver.loadState(other!, '/ram/1');
    assert.ok(Math.abs(clock.now() - (16.05 + 2 + 0.6)) < 1e-9, `${clock.now()}`);
  });

  for (const [name, measured] of Object.entries<DeviceProfile>(deviceProfiles)) {
    test(`of ${name} is that of a device: a larger batch is cheaper by the token, moving state by far than computing it`, () => {
      const { costMs, saveMs, loadMs } = costsOf(measured);
      const decode = (count: number): number =>
        costMs(
          0,
          count,
          Array.from({ length: count }, () => ({ count: 1, resident: 512 })),
        );
      assert.ok(decode(8) < 8 * decode(1));
      const prefillMs = costMs(512, 0, [{ count: 512, resident: 0 }]);
      assert.ok(saveMs(512) + loadMs(512) < prefillMs / 10);
      assert.ok(measured.stepMs.every((ms) => ms >= 0));
      assert.ok(measured.relativeError < 0.15);
    });
  }
});
