/**
 * Devices that were measured, as `node out/bench/fitDevice.js --json` printed them: one thread of a small server
 * processor, with the model of the product and with the one of benchmark size. What simulations run on.
 */

import type { DeviceProfile } from './deviceModel.js';

type Profiled = 'embedded' | 'benchmark';

export const deviceProfiles: Readonly<Record<Profiled, DeviceProfile>> = {
  embedded: {
    model: 'amk-embedded',
    device: 'cpu: AMD EPYC, 2 cores',
    kvBytesPerToken: 3072,
    stepMs: [1.0528, 0.1003, 0.4212, 0.6424, 0.1395],
    save: {
      fixedMs: 0.1961,
      tokenMs: 0.001725,
    },
    load: {
      fixedMs: 0.0648,
      tokenMs: 0.001505,
    },
    relativeError: 0.12,
  },
  benchmark: {
    model: 'random-weights',
    device: 'cpu: AMD EPYC, 2 cores',
    kvBytesPerToken: 8192,
    stepMs: [1.3944, 0.3653, 0.8543, 1.4117, 0.3853],
    save: {
      fixedMs: 0.2959,
      tokenMs: 0.003361,
    },
    load: {
      fixedMs: 0.2768,
      tokenMs: 0.002243,
    },
    relativeError: 0.039,
  },
};
