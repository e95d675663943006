// One linter, zero warnings, no ignore list of files. A rule that forbids something names the alternative.
import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Modules that only one part of the project may import: [module, who may, what everyone else does instead]. */
const owned = [
  [
    'vscode',
    'src/extension',
    'Only src/extension faces the editor: speak the protocol of src/shared instead.',
  ],
  [
    'node-llama-cpp',
    'src/hal/llama',
    'Only src/hal/llama touches the engine: use the InferenceDriver interface.',
  ],
  [
    'node:fs',
    'src/hal/disk.ts',
    'Take a Disk from the boot file: only src/hal/disk.ts and boot files touch the file system.',
  ],
];

const banned = (names) => ({
  'no-restricted-imports': [
    'error',
    {
      paths: owned
        .filter(([name]) => names.includes(name))
        .flatMap(([name, , message]) => [
          { name, message },
          { name: `${name}/promises`, message },
        ]),
    },
  ],
});

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'out/',
      'node_modules/',
      'artifacts/',
      '.cache/',
      '.vscode-test/',
      'wasm-tools/**/*.ts',
      'simd/**/*.ts',
      'test/fixtures/',
      'models/',
    ],
  },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60 }],
      complexity: ['error', 12],
      eqeqeq: 'error',
    },
  },
  { files: ['src/**/*.ts', 'webview/**/*.ts'], rules: banned(['vscode', 'node-llama-cpp', 'node:fs']) },
  { files: ['src/extension/**/*.ts'], rules: banned(['node-llama-cpp', 'node:fs']) },
  { files: ['src/hal/llama/**/*.ts'], rules: banned(['vscode', 'node:fs']) },
  {
    // Beside disk.ts: what keeps passing files, the calls that durable files are made of, what reads model files,
    // what reads /proc, the two ends of the folder where kernels are found, and the boot files.
    files: [
      'src/hal/disk.ts',
      'src/hal/scratch.ts',
      'src/hal/fileCalls.ts',
      'src/hal/processIdentity.ts',
      'src/hal/runtimeFolder.ts',
      'src/hal/processTree.ts',
      'src/hal/llama/modelFile.ts',
      'src/hal/llama/pulledFiles.ts',
      'src/client/userDirs.ts',
      'src/client/runningKernels.ts',
      'src/kernel/main.ts',
      'src/cli/main.ts',
    ],
    rules: banned(['vscode', 'node-llama-cpp']),
  },
  {
    // Tests may be long and may hold literals that production code may not.
    files: ['test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': ['error', { max: 600 }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'URL',
          'setTimeout',
          'clearTimeout',
          'fetch',
          'Buffer',
          'performance',
          'AbortSignal',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
);
