import assert from 'node:assert/strict';
import type { GrantRow } from '../../../src/shared/taskManagerMessages.js';
import { aboutGrant } from '../../../webview/rightsWords.js';

const at = (day: number, hour: number): number => new Date(2026, 10, day, hour, 5).getTime();
const now = at(22, 15);

const grantOf = (fields: Partial<GrantRow> = {}): GrantRow => ({
  ...{ key: '1.3', who: 'every agent', capability: 'fs.read', scope: 'src', lifetime: 'session' },
  ...{ uses: 0, mostUses: null, grantedBy: 'person', grantedAt: at(22, 14), expiresAt: null },
  ...fields,
});

/** Readers of some languages have a narrow blank before AM and PM. */
const about = (fields: Partial<GrantRow>): string =>
  aboutGrant(grantOf(fields), now, 'en').replaceAll('\u202f', ' ');

suite('what is said of a grant', () => {
  test('whose, how long, how often and when', () => {
    assert.equal(about({}), 'every agent · until the kernel stops · not used · given by you, 2:05 PM');
    assert.equal(
      about({ who: 'scout 3', lifetime: 'run', uses: 1, grantedBy: 'client', grantedAt: at(21, 9) }),
      'scout 3 · until it ends · used once · given at start, Nov 21, 2026, 9:05 AM',
    );
  });

  test('limits of uses and time', () => {
    assert.equal(
      about({ lifetime: 'workspace', uses: 2, mostUses: 5, expiresAt: at(22, 16) }),
      'every agent · until 4:05 PM · used 2 of 5 times · given by you, 2:05 PM',
    );
  });

  test('a scope of everything in words, where it is one of files', () => {
    assert.match(about({ scope: '.' }), /^every agent · every file of the workspace · until/);
    assert.doesNotMatch(about({ capability: 'process.run', scope: '.' }), /every file/);
  });
});
