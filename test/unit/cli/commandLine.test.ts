// What `amk` understands of its command line, and the one line it says about the rest.

import assert from 'node:assert/strict';
import { parseCommandLine, type RunCommand } from '../../../src/cli/commandLine.js';
import { helpTexts } from '../../../src/cli/help.js';
import { KernelError } from '../../../src/shared/errors.js';

const parse = (...argv: string[]) => parseCommandLine(argv, '/here');

function parseRun(...argv: string[]): RunCommand {
  const command = parse('run', ...argv);
  assert.ok(command.kind === 'run');
  return command;
}

suite('the command line', () => {
  test('a task alone means the defaults', () => {
    assert.deepEqual(parse('run', 'Where is X defined?'), {
      kind: 'run',
      tasks: ['Where is X defined?'],
      workspace: '/here',
      agentsFile: undefined,
      agents: [],
      engine: { model: '', gpu: 'auto' },
      grants: [],
      json: false,
      verbose: false,
    });
  });

  test('every option is read', () => {
    const command = parseRun(
      ...['--workspace', 'code', '--agents', 'team.json', '--agent', 'scout', '--model', 'm.gguf'],
      ...['--gpu', 'cpu', '--json', '--verbose', 'one', '--grant', 'fs.read:.', 'two'],
      ...['--grant', 'process.run:npm test', '--agent=coder'],
    );
    assert.deepEqual(command, {
      kind: 'run',
      tasks: ['one', 'two'],
      workspace: 'code',
      agentsFile: 'team.json',
      agents: ['scout', 'coder'],
      engine: { model: 'm.gguf', gpu: 'cpu' },
      grants: [
        { capability: 'fs.read', scope: '.' },
        { capability: 'process.run', scope: 'npm test' },
      ],
      json: true,
      verbose: true,
    });
  });

  test('what follows -- is a task, whatever it looks like', () => {
    assert.deepEqual(parseRun('--json', '--', '--help').tasks, ['--help']);
  });

  const others: [string[], object][] = [
    [[], { kind: 'help', topic: 'amk' }],
    [['--help'], { kind: 'help', topic: 'amk' }],
    [['help', 'run'], { kind: 'help', topic: 'run' }],
    [['run', '--help'], { kind: 'help', topic: 'run' }],
    [['--version'], { kind: 'version' }],
  ];
  for (const [argv, expected] of others) {
    test(`amk ${argv.join(' ')}`, () => assert.deepEqual(parse(...argv), expected));
  }

  const faults: [string[], string][] = [
    [['walk'], 'unknown command "walk"'],
    [['--fast'], 'unknown option --fast'],
    [['run'], 'there is no task'],
    [['run', ' '], 'a task is empty'],
    [['run', '--fast', 'x'], "unknown option '--fast'"],
    [['run', '--json=yes', 'x'], "option '--json' does not take an argument"],
    [['run', 'x', '--model'], "option '-m, --model <value>' argument missing"],
    [['run', '--gpu', 'tpu', 'x'], '--gpu is one of auto, cpu, cuda, vulkan, metal, not "tpu"'],
    [['run', '--grant', 'fs.read', 'x'], '"fs.read" is not CAPABILITY:SCOPE, for example fs.read:src'],
    [
      ['run', '--grant', 'fs.delete:.', 'x'],
      'unknown capability "fs.delete"; there are fs.read, fs.write, process.run',
    ],
    [
      ['run', '--grant', 'fs.read:../other', 'x'],
      'scope "../other" must be a path inside the workspace, relative to its root',
    ],
    [
      ['run', '--agent', 'a', '--agent', 'b', 'x'],
      'there are 2 --agent for 1 tasks; give one for all or one for each',
    ],
  ];
  for (const [argv, message] of faults) {
    test(`amk ${argv.join(' ')} is refused in one line`, () => {
      assert.throws(
        () => parse(...argv),
        (error: unknown) =>
          error instanceof KernelError && error.code === 'badRequest' && error.message === message,
      );
    });
  }

  test('the help names exactly the options there are', () => {
    const named = [...helpTexts.run.matchAll(/^ +(?:-\w, )?--([a-z]+)/gm)]
      .map(([, name = '']) => name)
      .sort();
    assert.deepEqual(named, [
      'agent',
      'agents',
      'gpu',
      'grant',
      'help',
      'json',
      'model',
      'verbose',
      'workspace',
    ]);
    for (const name of named) {
      const isFlag = ['help', 'json', 'verbose'].includes(name);
      const value = name === 'gpu' ? 'cpu' : name === 'grant' ? 'fs.read:.' : 'value';
      parse('run', `--${name}`, ...(isFlag ? [] : [value]), 'task');
    }
  });
});
