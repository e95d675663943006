/**
 * What the kernel and a reaper say to each other, over the channel of the fork. Plain data only. A reaper gets one
 * request in its life; there is none for ending the command, because closing the channel says it.
 */

/** kernel → reaper */
export interface StartRequest {
  readonly file: string;
  /** First the name that the program is called by, then its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment of the command, its mark included. */
  readonly env: Readonly<Record<string, string>>;
  /** Text in `env` that only this command and what it starts carry. */
  readonly mark: string;
  /** Windows only: the arguments are one finished command line. */
  readonly verbatim: boolean;
}

/** reaper → kernel */
export type ReaperReport =
  | { readonly kind: 'started'; readonly osPid: number }
  /** The command itself has ended. What it left running is ended next; then the reaper exits. */
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: 'failed'; readonly errno: string | undefined; readonly message: string };
