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
      resume: false,
      state: true,
      json: false,
      verbose: false,
    });
  });

  test('every option is read', () => {
    const command = parseRun(
      ...['--workspace', 'code', '--agents', 'team.json', '--agent', 'scout', '--model', 'm.gguf'],
      ...['--gpu', 'cpu', '--json', '--verbose', '--resume', 'one', '--grant', 'fs.read:.', 'two'],
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
      resume: true,
      state: true,
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
    [['help', 'top'], { kind: 'help', topic: 'top' }],
    [['renice', '-h'], { kind: 'help', topic: 'renice' }],
    [['top'], { kind: 'top', kernel: undefined, json: false, once: false, intervalMs: 1000 }],
    [
      ['top', '--kernel', '12', '--json', '--once', '--interval', '250'],
      { kind: 'top', kernel: 12, json: true, once: true, intervalMs: 250 },
    ],
    [['ps'], { kind: 'ps', kernel: undefined, json: false, all: false }],
    [['kv'], { kind: 'help', topic: 'kv' }],
    [['kv', 'rm', '--help'], { kind: 'help', topic: 'kv' }],
    [['kv', 'ls'], { kind: 'kv', action: 'ls', workspace: '/here', state: undefined, json: false }],
    [
      ['kv', 'verify', '--state', 's', '--json'],
      { kind: 'kv', action: 'verify', workspace: '/here', state: 's', json: true },
    ],
    [
      ['kv', 'show', 'AB12', '-w', 'w'],
      { kind: 'kv', action: 'show', key: 'ab12', workspace: 'w', state: undefined, json: false },
    ],
    [
      ['kv', 'rm', 'a', 'b', '-y'],
      {
        ...{ kind: 'kv', action: 'rm', keys: ['a', 'b'], yes: true },
        ...{ workspace: '/here', state: undefined, json: false },
      },
    ],
    [
      ['kv', 'rm', '--all'],
      {
        ...{ kind: 'kv', action: 'rm', keys: 'all', yes: false },
        ...{ workspace: '/here', state: undefined, json: false },
      },
    ],
    [
      ['kv', 'export', 'a', 'f.safetensors'],
      {
        ...{ kind: 'kv', action: 'export', key: 'a', file: 'f.safetensors' },
        ...{ workspace: '/here', state: undefined, json: false },
      },
    ],
    [['ps', '-a', '--json', '-k', '12'], { kind: 'ps', kernel: 12, json: true, all: true }],
    [['stop', '3'], { kind: 'stop', kernel: undefined, pids: [3] }],
    [['pause', '3', '4'], { kind: 'pause', kernel: undefined, pids: [3, 4] }],
    [['resume', '-k12', '3'], { kind: 'resume', kernel: 12, pids: [3] }],
    [
      ['renice', '3', '--nice', '-5'],
      { kind: 'renice', kernel: undefined, pids: [3], nice: -5, class: undefined },
    ],
    [
      ['renice', '-n', '-20', '-c', 'batch', '3', '4'],
      { kind: 'renice', kernel: undefined, pids: [3, 4], nice: -20, class: 'batch' },
    ],
    [
      ['model', 'pull', 'hf:me/tiny:Q8_0', '--dir', 'models'],
      { kind: 'modelPull', uri: 'hf:me/tiny:Q8_0', folder: 'models', sha256: undefined, json: false },
    ],
    [['help', 'model'], { kind: 'help', topic: 'model' }],
    [['help', 'serve'], { kind: 'help', topic: 'serve' }],
    [
      ['serve'],
      {
        ...{ kind: 'serve', workspace: '/here', port: 0, clients: ['client'], grants: [] },
        ...{ engine: parseRun('x').engine, json: false, verbose: false },
      },
    ],
    [
      [
        'serve',
        '--port',
        '8080',
        '--client',
        'planner',
        '-c',
        'editor',
        '--grant',
        'fs.read:src',
        '--json',
        '-v',
      ],
      {
        ...{ kind: 'serve', workspace: '/here', port: 8080, clients: ['planner', 'editor'] },
        ...{ grants: [{ capability: 'fs.read', scope: 'src' }], engine: parseRun('x').engine },
        ...{ json: true, verbose: true },
      },
    ],
  ];
  for (const [argv, expected] of others) {
    test(`amk ${argv.join(' ')}`, () => assert.deepEqual(parse(...argv), expected));
  }

  const faults: [string[], string][] = [
    [['walk'], 'unknown command "walk"'],
    [['serve', 'x'], 'amk serve takes no "x"'],
    [['serve', '--port', '70000'], '--port is a number up to 65535, not "70000"'],
    [['serve', '--client', 'a b'], '--client is a word, not "a b"'],
    [['serve', '-c', 'a', '-c', 'a'], '--client a is there twice'],
    [['--fast'], 'unknown option --fast'],
    [['run'], 'there is no task'],
    [['kv', 'list'], 'amk kv does ls, show, verify, rm, export, not "list"'],
    [['kv', 'ls', 'a'], 'unexpected argument "a"'],
    [['kv', 'show'], 'there is no KEY'],
    [['kv', 'show', 'xyz'], 'a key has up to 64 digits from 0 to f; "xyz" is none'],
    [['kv', 'rm'], 'there is no KEY; amk kv ls shows them, --all means all'],
    [['kv', 'rm', '--all', 'a'], 'give keys or --all, not both'],
    [['kv', 'export', 'a'], 'there is no FILE'],
    [['kv', 'ls', '--yes'], "unknown option '--yes'"],
    [['top', '3'], 'unexpected argument "3"'],
    [['top', '--interval', '10'], '--interval is from 100 to 3600000, not "10"'],
    [['top', '--kernel', 'main'], '--kernel is a number from 1 on, not "main"'],
    [['stop'], 'there is no agent number; amk ps shows them'],
    [['stop', 'coder'], 'an agent number is a number from 1 on, not "coder"'],
    [['pause', '0'], 'an agent number is a number from 1 on, not "0"'],
    [['renice', '3'], 'give --nice, --class or both'],
    [['renice', '3', '--nice', '20'], '--nice is from -20 to 19, not "20"'],
    [['renice', '3', '--nice', '-21'], '--nice is from -20 to 19, not "-21"'],
    [['renice', '3', '--class', 'idle'], '--class is one of interactive, normal, batch, not "idle"'],
    [['model'], 'amk model pull URI'],
    [['model', 'push'], 'unknown: amk model push'],
    [['model', 'pull'], 'there is no model to pull'],
    [
      ['model', 'pull', 'tiny.gguf'],
      '"tiny.gguf" is not hf:USER/MODEL:QUANT, hf:USER/MODEL/FILE.gguf or an address',
    ],
    [['model', 'pull', 'hf:me/tiny', '--sha256', '12'], '--sha256 is 64 hexadecimal digits'],
    [['ps', '--once'], "unknown option '--once'"],
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

  const controlOptions = {
    top: ['help', 'interval', 'json', 'kernel', 'once'],
    ps: ['all', 'help', 'json', 'kernel'],
    stop: ['help', 'kernel'],
    pause: ['help', 'kernel'],
    resume: ['help', 'kernel'],
    renice: ['class', 'help', 'kernel', 'nice'],
  } as const;
  for (const [kind, options] of Object.entries(controlOptions)) {
    test(`the help of amk ${kind} names exactly the options there are`, () => {
      const help = helpTexts[kind as keyof typeof controlOptions];
      const named = [...help.matchAll(/^ +(?:-\w, )?--([a-z]+)/gm)].map(([, name = '']) => name).sort();
      assert.deepEqual(named, [...options]);
      const values: Readonly<Record<string, string[]>> = {
        interval: ['200'],
        kernel: ['1'],
        nice: ['1'],
        class: ['batch'],
      };
      const pids = kind === 'top' || kind === 'ps' ? [] : ['1'];
      const enough = kind === 'renice' ? ['--nice', '0'] : [];
      for (const name of named) parse(kind, ...pids, ...enough, `--${name}`, ...(values[name] ?? []));
    });
  }

  test('the help of amk kv names exactly the options there are', () => {
    const named = [...helpTexts.kv.matchAll(/^ +(?:-\w, )?--([a-z]+)/gm)].map(([, name = '']) => name).sort();
    assert.deepEqual(named, ['all', 'help', 'json', 'state', 'workspace', 'yes']);
    for (const name of named) {
      const value = name === 'state' || name === 'workspace' ? ['value'] : [];
      parse('kv', 'rm', ...(name === 'all' ? [] : ['a']), `--${name}`, ...value);
    }
  });

  test('the help names exactly the options there are', () => {
    const named = [...helpTexts.run.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)]
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
      'no-state',
      'resume',
      'store',
      'verbose',
      'workspace',
    ]);
    const store = 'chroma=http://localhost:8000';
    const values: Readonly<Record<string, string>> = { gpu: 'cpu', grant: 'fs.read:.', store };
    for (const name of named) {
      const isFlag = ['help', 'json', 'no-state', 'resume', 'verbose'].includes(name);
      const value = values[name] ?? 'value';
      parse('run', `--${name}`, ...(isFlag ? [] : [value]), 'task');
    }
  });
});
