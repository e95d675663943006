/**
 * What a turn's edits make of tokens that are resident: which of them stay, what is computed anew, and where it goes.
 * Pure. It trusts no edit: what stays is compared with the turn, token by token, and from the first difference on
 * nothing stays.
 */

import type { Token, TokenRange } from '../../hal/driver.js';
import { commonPrefixLength } from '../kv/swapSpace.js';
import type { Edit, Insertion } from './job.js';

/** A part of the turn: resident already, or to be computed. */
type Piece = { readonly kept: TokenRange } | { readonly line: readonly Token[] };

export interface EditPlan {
  /** The beginning of the turn, in order; none empty. */
  readonly pieces: readonly Piece[];
  /** Tokens of the turn that are resident in the end. */
  readonly reach: number;
  /** Those of them that are computed for it. */
  readonly computed: number;
}

/** Undefined where the edits are of no use for this turn. */
export function planEdits(
  resident: readonly Token[],
  wanted: readonly Token[],
  edits: readonly Edit[],
): EditPlan | undefined {
  const pieces: Piece[] = [];
  let [from, reach, computed] = [0, 0, 0];
  for (const { start, end, tokens } of edits) {
    const line = reach + start - from;
    const after = line + tokens.length;
    if (start < from || end < start || after >= wanted.length) break;
    if (!holds(wanted, reach, resident, from, start) || !holds(wanted, line, tokens)) break;
    if (start > from) pieces.push({ kept: { start: from, end: start } });
    if (tokens.length > 0) pieces.push({ line: tokens });
    [from, reach, computed] = [end, after, computed + tokens.length];
  }
  // The turn's last token is always computed.
  const most = wanted.length - 1 - reach;
  const rest = Math.min(commonPrefixLength(resident.slice(from), wanted.slice(reach)), most);
  if (rest > 0) pieces.push({ kept: { start: from, end: from + rest } });
  const isOfUse = pieces.some((piece, index) => 'kept' in piece && (index > 0 || piece.kept.start > 0));
  return isOfUse ? { pieces, reach: reach + Math.max(0, rest), computed } : undefined;
}

/** Whether `wanted` has at `at` what `tokens` has from `start` to `end`. */
function holds(
  wanted: readonly Token[],
  at: number,
  tokens: readonly Token[],
  start = 0,
  end = tokens.length,
): boolean {
  for (let index = start; index < end; index++) {
    if (tokens[index] !== wanted[at + index - start]) return false;
  }
  return true;
}

/** What stays of what is resident, in order. */
export const keptOf = ({ pieces }: EditPlan): TokenRange[] =>
  pieces.flatMap((piece) => ('kept' in piece ? [piece.kept] : []));

/** The plan as it is once nothing else is resident than what stays. */
export function closedUp(plan: EditPlan): EditPlan {
  let at = 0;
  const pieces = plan.pieces.map((piece) => {
    if ('line' in piece) return piece;
    const { start, end } = piece.kept;
    return { kept: { start: at, end: (at += end - start) } };
  });
  return { ...plan, pieces };
}

/** The lines are computed at the end of what is resident; then everything goes to its place. */
export function insertionOf({ pieces }: EditPlan, resident: readonly Token[]): Insertion {
  const tokens = [...resident];
  const ranges = pieces.map((piece): TokenRange => {
    if ('kept' in piece) return piece.kept;
    const start = tokens.length;
    for (const token of piece.line) tokens.push(token);
    return { start, end: tokens.length };
  });
  return { tokens, ranges };
}

/** What the edits make of these tokens, wanted or not. */
export function edited(tokens: readonly Token[], edits: readonly Edit[]): Token[] {
  const parts: (readonly Token[])[] = [];
  let from = 0;
  for (const edit of edits) {
    if (edit.end > tokens.length) break;
    parts.push(tokens.slice(from, edit.start), edit.tokens);
    from = edit.end;
  }
  return [...parts, tokens.slice(from)].flat();
}
