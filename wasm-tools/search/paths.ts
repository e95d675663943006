/** Which files are searched, told from their names: not what is built, fetched, hidden or no text. */

import { wordSet } from '../lib/wordSet';

const skippedFolders = wordSet(
  'node_modules dist out build coverage target vendor __pycache__ venv bower_components Pods obj',
);
const binaryExtensions = wordSet(
  'png jpg jpeg gif webp avif ico icns bmp tif tiff psd pdf zip gz tgz bz2 xz zst 7z rar tar jar war class o a so ' +
    'dylib dll exe bin dat wasm node pdb lib gguf safetensors onnx pt pth npy npz parquet sqlite sqlite3 db mp3 mp4 ' +
    'm4a mov avi mkv webm ogg wav flac ttf otf woff woff2 eot pyc pyo map vsix whl iso dmg tsbuildinfo',
);
/** Parts of a path that say: this is about the code, it is not the code. */
const secondaryFolders = wordSet(
  'test tests __tests__ spec specs __mocks__ mocks fixtures testdata docs doc examples example e2e bench benchmarks',
);
const secondaryExtensions = wordSet('md mdx txt rst adoc html css json yml yaml toml lock csv svg log');

export function isSearchedFolder(name: string): bool {
  return !name.startsWith('.') && !skippedFolders.has(name);
}

export function isSearchedFile(name: string): bool {
  return !name.startsWith('.') && !binaryExtensions.has(extensionOf(name));
}

/** Tests, documents and data, which come after the code that they are about. */
export function isSecondaryFolder(name: string): bool {
  return secondaryFolders.has(name.toLowerCase());
}

export function isSecondaryFile(name: string): bool {
  const lower = name.toLowerCase();
  return (
    secondaryExtensions.has(extensionOf(name)) ||
    lower.includes('.test.') ||
    lower.includes('.spec.') ||
    lower.includes('_test.') ||
    lower.includes('.min.') ||
    lower.startsWith('test_')
  );
}

function extensionOf(name: string): string {
  return name.substring(name.lastIndexOf('.') + 1).toLowerCase();
}
