/**
 * Which arguments make a program run another one, load code, or read a configuration that does. A scope that is open
 * at its end (`git *`) never covers them: they have to stand in the scope themselves. The table errs on the side of
 * asking: a harmless argument that looks like one of these costs a question, never a right.
 *
 * Nothing a command says is ever given to a shell; that a word holds a substitution is judged all the same, since
 * some programs hand their arguments to one.
 */

interface Options {
  /** Letters of single-dash options, also within a cluster or with their value attached. */
  readonly short?: string;
  /** Double-dash options; programs take abbreviations, so every beginning of one counts. */
  readonly long?: readonly string[];
  /** Words that count as they stand: subcommands, and single-dash words. */
  readonly words?: readonly string[];
  /** As `words`, where they come before any other word that is no option. */
  readonly first?: readonly string[];
  /** What a word must not begin with. */
  readonly starts?: readonly string[];
  /** Whatever it is given runs or may run: an open scope covers nothing of it. */
  readonly always?: true;
}

const runner: Options = { always: true };
const script = (short: string, long: readonly string[] = []): Options => ({ short, long });
const packages: Options = {
  first: ['exec', 'x', 'dlx', 'config', 'set', 'c', 'create', 'init', 'explore', 'edit', 'link', 'node'],
  words: ['exec', 'dlx'],
  long: [
    ...[
      'script-shell',
      'shell',
      'node-options',
      'prefix',
      'userconfig',
      'globalconfig',
      'init-module',
      'editor',
    ],
    ...['viewer', 'git', 'call', 'package', 'registry', 'config', 'cwd', 'dir', 'use-yarnrc', 'workspace'],
  ],
  short: 'cCp',
};

const families: readonly (readonly [names: string, options: Options])[] = [
  ['sh bash dash ash zsh ksh mksh fish csh tcsh rbash cmd powershell pwsh busybox toybox', runner],
  [
    'env xargs sudo doas su runuser pkexec nohup timeout nice ionice setsid stdbuf time watch entr chroot',
    runner,
  ],
  [
    'unshare nsenter flock script expect parallel systemd-run at batch crontab screen tmux dbus-run-session',
    runner,
  ],
  ['ssh mosh telnet nc ncat netcat socat docker podman nerdctl kubectl lxc vagrant ansible ld.so', runner],
  [
    'npx bunx pnpx uvx pipx corepack eval exec command builtin awk gawk mawk nawk sed ed ex vi vim nvim view',
    runner,
  ],
  [
    'emacs nano less more most man info gdb lldb strace ltrace perf valgrind code cursor open xdg-open start',
    runner,
  ],
  ['osascript wscript cscript mshta rundll32 regsvr32 msbuild installutil certutil bitsadmin wmic', runner],
  [
    'psql mysql mariadb sqlite3 redis-cli mongo mongosh ftp sftp lftp lua luajit tclsh guile irb ghci',
    runner,
  ],
  [
    'git',
    {
      short: 'cCxO',
      long: [
        ...[
          'config-env',
          'exec-path',
          'exec',
          'upload-pack',
          'receive-pack',
          'ext-diff',
          'textconv',
          'git-dir',
        ],
        ...[
          'work-tree',
          'open-files-in-pager',
          'template',
          'tool',
          'extcmd',
          'namespace',
          'output',
          'strategy',
        ],
        ...['gpg-sign', 'config', 'upload-archive', 'separate-git-dir', 'recurse-submodules', 'smtp-server'],
      ],
      words: [
        ...[
          'config',
          'bisect',
          'submodule',
          'filter-branch',
          'difftool',
          'mergetool',
          'daemon',
          'instaweb',
          '-u',
        ],
        ...[
          'send-email',
          'hook',
          'remote-ext',
          'remote-fd',
          'credential',
          'maintenance',
          'upload-pack',
          'shell',
        ],
        ...['fast-import', 'archimport', 'cvsimport', 'svn', 'p4', 'web--browse', 'help', 'worktree'],
      ],
      starts: ['ext::', 'fd::', 'file::', '-u'],
    },
  ],
  [
    'find',
    {
      words: ['-exec', '-execdir', '-ok', '-okdir', '-delete', '-fprint', '-fprint0', '-fprintf', '-fls'],
      long: ['files0-from'],
    },
  ],
  ['fd fdfind', { short: 'xX', long: ['exec', 'exec-batch'] }],
  [
    'tar bsdtar gtar',
    {
      short: 'IF',
      long: [
        ...['to-command', 'use-compress-program', 'checkpoint-action', 'info-script', 'new-volume-script'],
        ...['rsh-command', 'rmt-command'],
      ],
      starts: ['I', 'F'],
    },
  ],
  ['zip', { short: 'T', long: ['unzip-command', 'test'] }],
  ['scp', { short: 'SoFDJ' }],
  ['rsync', { short: 'eMT', long: ['rsh', 'rsync-path', 'daemon', 'config', 'remote-option', 'temp-dir'] }],
  [
    'curl',
    { short: 'KoO', long: ['config', 'output', 'remote-name', 'remote-name-all', 'engine', 'output-dir'] },
  ],
  [
    'wget',
    { short: 'eOP', long: ['execute', 'use-askpass', 'config', 'output-document', 'directory-prefix'] },
  ],
  ['npm pnpm yarn bun', packages],
  [
    'node nodejs deno',
    {
      short: 'epri',
      long: [
        ...['eval', 'print', 'require', 'import', 'loader', 'experimental-loader', 'interactive', 'inspect'],
        ...['inspect-brk', 'inspect-port', 'env-file', 'build-sea', 'openssl-config', 'run', 'snapshot-blob'],
        ...['experimental-default-config-file', 'experimental-config-file', 'test-reporter'],
      ],
      words: ['eval', 'repl', 'inspect', '-'],
    },
  ],
  [
    'tsx ts-node',
    { short: 'epri', long: ['eval', 'print', 'require', 'import', 'loader', 'project', 'dir'] },
  ],
  ['python python2 python3 pypy pypy3', script('cmi')],
  ['perl', script('eEMmxiI')],
  ['ruby', script('erIx')],
  ['php', script('rBREFdcz')],
  [
    'make gmake ninja',
    {
      short: 'fCIE',
      long: ['eval', 'file', 'makefile', 'directory', 'include-dir'],
      starts: ['SHELL', 'MAKEFLAGS', '.SHELLFLAGS'],
    },
  ],
  ['cargo', { long: ['config', 'manifest-path'], starts: ['+'], words: ['install'], short: 'CZ' }],
  [
    'go',
    {
      words: ['run', 'generate', 'install', 'tool'],
      starts: ['-exec', '-toolexec', '-overlay', '-modfile', '-vettool', '-C', '--exec', '--toolexec'],
    },
  ],
  [
    'pip pip3 uv poetry gem bundle',
    { words: ['install', 'run', 'exec', 'config', 'download', 'wheel', 'tool'] },
  ],
  ['cmake ctest', { short: 'PESCD', long: ['build-and-test', 'script', 'install'] }],
  [
    'gcc g++ cc c++ clang clang++',
    { starts: ['-wrapper', '-B', '-fplugin', '-specs', '--specs', '@', '-Xclang', '-load'] },
  ],
  ['rg ripgrep', { long: ['pre', 'hostname-bin', 'search-zip'], short: 'z' }],
  ['sort', { long: ['compress-program', 'files0-from', 'output'], short: 'o' }],
  ['split', { long: ['filter'] }],
  ['diff sdiff', { long: ['diff-program', 'output'], short: 'o' }],
  ['bat', { long: ['pager', 'paging'] }],
  ['tcpdump', { short: 'zwZ' }],
  ['nmap', { long: ['script', 'datadir'] }],
  [
    'openssl',
    {
      long: ['engine', 'provider', 'config'],
      starts: ['-engine', '-provider', '-config', '-passin', '-passout'],
    },
  ],
  [
    'eslint',
    {
      short: 'cf',
      long: ['config', 'rulesdir', 'resolve-plugins-relative-to', 'format', 'parser', 'plugin'],
    },
  ],
  [
    'mocha jest vitest ava tap',
    {
      short: 'rc',
      long: [
        'require',
        'config',
        'import',
        'reporter',
        'ui',
        'global-setup',
        'setup-files',
        'loader',
        'spec',
        'node-option',
        'runner',
        'env',
        'environment',
      ],
    },
  ],
  ['prettier', { long: ['plugin', 'config', 'with-node-modules'] }],
  ['esbuild webpack rollup vite', { short: 'c', long: ['config', 'plugin', 'inject', 'require'] }],
];

const table: ReadonlyMap<string, Options> = new Map(
  families.flatMap(([names, options]) => names.split(' ').map((name) => [name, options] as const)),
);

/** The name a program is known by: without folders, endings of Windows, versions and case. */
function programName(path: string): string {
  const name = (path.split(/[\\/]/).at(-1) ?? '').toLowerCase().replace(/\.(?:exe|cmd|bat|com|ps1)$/, '');
  return table.has(name) ? name : name.replace(/[-.]?\d+(?:\.\d+)*$/, '');
}

/** What a shell would substitute or end a command at, and what would break a line that shows it. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const substitution = /`|\$[({]|[\u0000-\u001f\u007f]/;

/**
 * Whether one of the arguments can make the program do what is not said by its name.
 * @param names of the program: the word it was called by, and the file that was found where that is known
 */
export function runsPrograms(names: readonly string[], args: readonly string[]): boolean {
  if (args.some((arg) => substitution.test(arg))) return true;
  return names.some((name) => {
    const options = table.get(programName(name));
    if (options === undefined) return false;
    if (options.always === true || args.some((arg) => isOneOf(options, arg))) return true;
    const first = args.find((arg) => !arg.startsWith('-'));
    return first !== undefined && options.first?.includes(first) === true;
  });
}

function isOneOf({ short = '', long = [], words = [], starts = [] }: Options, arg: string): boolean {
  if (words.includes(arg) || starts.some((start) => arg.startsWith(start))) return true;
  if (arg.startsWith('--')) {
    const [name = ''] = arg.slice(2).toLowerCase().split('=');
    return name !== '' && long.some((option) => option.startsWith(name));
  }
  return arg.startsWith('-') && Array.from(short).some((letter) => arg.includes(letter));
}
