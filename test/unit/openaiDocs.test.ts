// The page on the OpenAI interface says what is so: its limits are those of the code, and its example runs as it stands.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { createSimulatedDriver } from '../../src/hal/simulated.js';
import { gatewayLimits } from '../../src/kernel/gateways/limits.js';
import { clientNamed, serveKernel, tokenOf } from '../support/serving.js';

const page = readFileSync(new URL('../../../docs/openai.md', import.meta.url), 'utf8');

type Example = (
  openai: typeof OpenAI,
  baseURL: string,
  apiKey: string,
  write: (text: string) => void,
) => Promise<void>;

suite('the page on the OpenAI interface', () => {
  test('its example runs as it stands', async () => {
    const [, code = ''] = /```ts\n([^]+?)```/.exec(page) ?? [];
    const body = code.replace(/^import .*$/m, '');
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- it is the example of our own page
    const example = new Function(
      'OpenAI',
      'baseURL',
      'apiKey',
      'write',
      `return (async () => {${body}})();`,
    ) as Example;
    const driver = createSimulatedDriver({ respond: () => 'In src/money.ts.' });
    const kernel = await serveKernel({ driver, clients: [clientNamed('client')] });
    let written = '';
    try {
      await example(OpenAI, `${kernel.url}/v1`, tokenOf('client'), (text) => (written += text));
    } finally {
      await kernel.close();
    }
    assert.equal(written, 'In src/money.ts.');
  });

  test('its limits are those of the code', () => {
    const { bodyBytes, openRequests, perSecond, burst, connections, headersMs, requestMs } = gatewayLimits;
    const text = page.replaceAll(/\s+/g, ' ');
    for (const said of [
      `at most ${bodyBytes / 1024 / 1024} MB`,
      `${openRequests} requests open`,
      `${perSecond} a second after the first ${burst}`,
      `${connections} connections`,
      `${headersMs / 1000} s for its headers`,
      `${requestMs / 1000} s for its request`,
    ]) {
      assert.ok(text.includes(said), said);
    }
  });
});
