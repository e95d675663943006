// Which agent definition a task gets, and how a wrong file or name is told.

import assert from 'node:assert/strict';
import { agentsFor } from '../../../src/cli/agentChoice.js';
import { toolNames } from '../../../src/shared/agentDefinition.js';
import { KernelError } from '../../../src/shared/errors.js';

const files: Record<string, string> = {
  'list.json': '[{"name": "finder", "tools": ["search"]}, {"name": "fixer"}]',
  'team.json': '{"agents": [{"name": "coder", "nice": 5}, {"name": "fixer"}]}',
  'empty.json': '[]',
  'broken.json': '[{',
  'wrong.json': '[{"name": "Finder"}]',
};
const readText = (path: string): Promise<string> => {
  const text = files[path];
  return text === undefined ? Promise.reject(new Error('ENOENT')) : Promise.resolve(text);
};
const namesFor = async (agentsFile: string | undefined, ...agents: string[]): Promise<string[]> =>
  (await agentsFor({ agentsFile, agents }, readText)).map(({ definition }) => definition.name);

suite('which agent works', () => {
  test('without a choice the one that has every tool', async () => {
    const [choice] = await agentsFor({ agentsFile: undefined, agents: [] }, readText);
    assert.equal(choice?.definition.name, 'coder');
    assert.deepEqual(choice.definition.tools, toolNames);
    assert.deepEqual(choice.team, []);
  });

  test('one for all, or one for each', async () => {
    assert.deepEqual(await namesFor(undefined, 'scout'), ['scout']);
    assert.deepEqual(await namesFor(undefined, 'scout', 'coder', 'scout'), ['scout', 'coder', 'scout']);
  });

  test('a file replaces the built-in ones, as an array or an object', async () => {
    assert.deepEqual(await namesFor('list.json'), ['finder']);
    assert.deepEqual(await namesFor('list.json', 'fixer'), ['fixer']);
    const [coder] = await agentsFor({ agentsFile: 'team.json', agents: [] }, readText);
    assert.deepEqual([coder?.definition.name, coder?.definition.nice], ['coder', 5]);
  });

  const faults: [string | undefined, string[], RegExp][] = [
    [undefined, ['nobody'], /^there is no agent "nobody"; there are scout, reviewer, coder, runner$/],
    ['list.json', ['coder'], /^there is no agent "coder"; there are finder, fixer$/],
    ['missing.json', [], /^missing\.json cannot be read as JSON: ENOENT$/],
    ['broken.json', [], /^broken\.json cannot be read as JSON: /],
    ['wrong.json', [], /^wrong\.json at 0\.name: a name is a lower-case word/],
    ['empty.json', [], /^empty\.json defines no agent$/],
  ];
  for (const [file, agents, message] of faults) {
    test(`refuses: ${message.source}`, async () => {
      await assert.rejects(
        namesFor(file, ...agents),
        (error: unknown) =>
          error instanceof KernelError && error.code === 'badRequest' && message.test(error.message),
      );
    });
  }
});
