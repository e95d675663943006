/**
 * The program that downloads a model file, forked by whoever wants one, through the engine library's own downloader:
 * what was interrupted goes on where it was, and what is there already is not fetched again. What came is compared with
 * the checksum that was given, or with those that the repository publishes, and looked at as every model file is. A
 * file that is not what it should be is never left under its name.
 */

import { createModelDownloader, type ModelDownloader } from 'node-llama-cpp';
import { z } from 'zod';
import { parseWith } from '../../shared/agentDefinition.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import { ipcChannel } from '../../shared/ipcChannel.js';
import {
  pullRequestSchema,
  type Nothing,
  type PullCalls,
  type PulledFile,
  type PulledModel,
  type PullEvents,
  type PullRequest,
} from '../../shared/modelPull.js';
import { Peer } from '../../shared/peer.js';
import { inspectModelFile } from './modelFile.js';
import { compare, fileOf } from './pulledFiles.js';

const defaultHub = 'https://huggingface.co/';
const hubTimeoutMs = 15_000;

/** Repository and revision of `hf:USER/MODEL…`; undefined for any other address. */
function repositoryOf(uri: string): { readonly name: string; readonly revision: string } | undefined {
  const match = /^(?:hf|huggingface):([^/#:]+\/[^/#:]+)(?:[/:][^#]*)?(?:#(.+))?$/.exec(uri);
  return match === null ? undefined : { name: match[1] ?? '', revision: match[2] ?? 'main' };
}

const treeSchema = z.array(z.object({ lfs: z.object({ oid: z.string() }).optional() }));

/** SHA-256 of every large file of the repository; undefined where it does not tell. */
async function publishedChecksums(uri: string, signal: AbortSignal): Promise<Set<string> | undefined> {
  const repository = repositoryOf(uri);
  if (repository === undefined) return undefined;
  const { HF_ENDPOINT, MODEL_ENDPOINT, HF_TOKEN } = process.env;
  const path = `api/models/${repository.name}/tree/${encodeURIComponent(repository.revision)}?recursive=true`;
  const url = new URL(path, `${(HF_ENDPOINT ?? MODEL_ENDPOINT ?? defaultHub).replace(/\/$/, '')}/`);
  try {
    const response = await fetch(url, {
      headers: HF_TOKEN === undefined ? {} : { authorization: `Bearer ${HF_TOKEN}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(hubTimeoutMs)]),
    });
    if (!response.ok) return undefined;
    const files = treeSchema.parse(await response.json());
    const sums = files.flatMap(({ lfs }) => lfs?.oid ?? []);
    return sums.length === 0 ? undefined : new Set(sums);
  } catch {
    // A repository that cannot be asked is one that does not tell; the caller hears that nothing was compared.
    return undefined;
  }
}

async function prepare({ uri, folder }: PullRequest, peer: () => PullPeer): Promise<ModelDownloader> {
  try {
    return await createModelDownloader({
      modelUri: uri,
      dirPath: folder,
      deleteTempFileOnCancel: false,
      onProgress: ({ totalSize, downloadedSize, averageSpeed }) =>
        peer().emit('progress', {
          doneBytes: downloadedSize,
          totalBytes: totalSize,
          bytesPerSecond: averageSpeed,
        }),
    });
  } catch (error) {
    throw new KernelError('notFound', `there is no model at ${uri}: ${messageOf(error)}`, { cause: error });
  }
}

/** A server that answered has no such file, or not for us; anything else may pass, and the download goes on then. */
function brokenOff(uri: string, error: unknown): KernelError {
  const status = /Status code: (4\d\d)/.exec(messageOf(error))?.[1];
  return status === undefined
    ? new KernelError('storageFailed', `the download of ${uri} broke off: ${messageOf(error)}`, {
        cause: error,
      })
    : new KernelError('notFound', `there is no model at ${uri}: its server answered ${status}`, {
        cause: error,
      });
}

async function pull(request: PullRequest, signal: AbortSignal, peer: () => PullPeer): Promise<PulledModel> {
  const published = request.sha256 === undefined ? await publishedChecksums(request.uri, signal) : undefined;
  const downloader = await prepare(request, peer);
  if (request.sha256 !== undefined && downloader.totalFiles > 1) {
    throw new KernelError(
      'badRequest',
      `${request.uri} has ${downloader.totalFiles} parts; --sha256 is of one file`,
    );
  }
  try {
    await downloader.download({ signal });
  } catch (error) {
    if (signal.aborted) throw new KernelError('cancelled', 'the download was stopped');
    throw brokenOff(request.uri, error);
  }
  peer().emit('checking', { totalBytes: downloader.totalSize });
  const files: PulledFile[] = [];
  for (const { filePath } of downloader.filesInfo) files.push(await fileOf(filePath));
  const verified = await compare(files, request.sha256, published);
  const path = downloader.entrypointFilePath;
  const { name } = await inspectModelFile(path);
  return { path, name, files, verified };
}

type PullPeer = Peer<PullCalls, Nothing, Nothing, PullEvents>;

const peer: PullPeer = new Peer<PullCalls, Nothing, Nothing, PullEvents>({
  channel: ipcChannel(process),
  handlers: {
    pull: (input, signal) => pull(parseWith(pullRequestSchema, input, 'pull'), signal, () => peer),
  },
});
// Whoever wanted the model is gone; what is here already stays for the next time.
peer.onClose(() => process.exit(0));
// A terminal interrupts every process in front of it; the one that forked this one says when it ends.
process.on('SIGINT', () => undefined);
