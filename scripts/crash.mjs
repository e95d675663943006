// `npm run test:crash -- --kills N [--seed S] [--agents A] [--quantisation Q]`: kill -9 of the kernel at random points while several
// agents work with real tools on the embedded model, again and again, until it was killed N times. Promises that
// afterwards every agent has ended with a report, that its answer is the one of a run that nobody disturbed, that every
// file is as it was or wholly changed, and that no journal and no snapshot was damaged; it prints the counts, and the
// exit status is 0 only when all of that holds. The points are drawn from the seed; where they fall depends on the
// machine.
import { parseArgs } from 'node:util';
import { crashTest } from '../out/test/support/crashTest.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    quantisation: { type: 'string', default: 'f16' },
    agents: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
});

const startedAt = performance.now();
const outcome = await crashTest({
  kills: Number(values.kills),
  seed: Number(values.seed),
  agents: Number(values.agents),
  quantisation: values.quantisation,
  onProgress: ({ kills, agents, fromSnapshot }) => {
    if (kills % 10 === 0 && !values.json) {
      console.log(`${kills} kills, ${agents} agents, ${fromSnapshot} went on from a snapshot`);
    }
  },
});
const seconds = Math.round((performance.now() - startedAt) / 1000);
const { faults, ...counts } = outcome;
if (values.json) console.log(JSON.stringify({ ...outcome, seconds }, null, 2));
else {
  for (const fault of faults) console.log(`FAULT ${fault}`);
  console.log(
    `${counts.kills} kills in ${seconds} s: ${counts.agents} agents, ${counts.resumed} times one went on, ` +
      `${counts.fromSnapshot} times from a snapshot, ${counts.interrupted} calls interrupted`,
  );
  console.log(`${counts.lost} lost, ${counts.wrong} wrong, ${counts.corrupt} corrupt`);
}
process.exitCode = counts.lost + counts.wrong + counts.corrupt === 0 ? 0 : 1;
