import assert from 'node:assert/strict';
import { grantRowOf, questionRowOf, reasonAfter } from '../../../src/extension/rightsView.js';
import type { Grant } from '../../../src/shared/capability.js';
import type { PermissionRequest } from '../../../src/shared/protocol.js';
import { rowOf } from './rows.js';

const grantOf = (fields: Partial<Grant> = {}): Grant => ({
  ...{ id: 3, pid: undefined, capability: 'fs.write', scope: 'src/**', lifetime: 'session' },
  ...{ grantedBy: 'person', grantedAt: 5 },
  ...fields,
});
const nameOf = (pid: number): string | undefined => (pid === 7 ? 'scout' : undefined);

suite('rights in the task manager', () => {
  test('say who holds them', () => {
    const who = (grant: Partial<Grant>): string =>
      grantRowOf({ grant: grantOf(grant), uses: 0 }, '1.3', nameOf).who;
    assert.equal(who({}), 'every agent');
    assert.equal(who({ lifetime: 'workspace', workspace: '/w/a' }), 'every agent in /w/a');
    assert.equal(who({ lifetime: 'run', pid: 7 }), 'scout 7');
    assert.equal(who({ lifetime: 'run', pid: 8 }), 'agent 8');
  });

  test('spell out what would deceive the eye', () => {
    const row = grantRowOf({ grant: grantOf({ scope: 'a\u202eb' }), uses: 2 }, '1.3', nameOf);
    assert.deepEqual([row.scope, row.uses, row.mostUses], ['a\\u{202e}b', 2, null]);
    const request: PermissionRequest = {
      ...{ pid: 7, agent: 'scout', task: '', tool: 'read_file', target: '/w/a\nb' },
      access: { capability: 'fs.read', path: 'a\nb' },
    };
    assert.deepEqual(questionRowOf({ id: 2, request }), {
      id: 2,
      wish: 'scout (7) wants to read a\\u{0a}b',
      target: '/w/a\\u{0a}b',
    });
  });

  test('that were revoked are told in the rows of live agents that held them', () => {
    const own = [grantOf({ pid: 7, lifetime: 'run' }), grantOf({ id: 4 })];
    assert.equal(reasonAfter(own, rowOf(7)), 'revoked: fs.write src/**');
    assert.equal(reasonAfter(own.slice(0, 1), rowOf(8)), '');
    assert.equal(
      reasonAfter([grantOf()], rowOf(8, { reason: 'waiting for you' })),
      'revoked: fs.write src/** · waiting for you',
    );
    assert.equal(reasonAfter(own, rowOf(7, { state: 'exited', reason: 'denied' })), 'denied');
    assert.equal(reasonAfter([], rowOf(7, { reason: 'paused' })), 'paused');
  });
});
