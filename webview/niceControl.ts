/**
 * The nice value of one agent: a field to type it in, or to step with the arrow keys, between two buttons. It shows
 * at once what was asked for, so that a button pressed three times counts three times; what the kernel says is shown
 * when it says the same, or when it had time enough to.
 */

import { iconButton } from './iconButton.js';
import { numberField, setDisabled } from './toolkit.js';

const [least, most] = [-20, 19];

/** How long a wish is shown that the kernel does not confirm. */
const patienceMs = 2_000;

export interface NiceControl {
  /** In their order. */
  readonly elements: readonly HTMLElement[];
  show(nice: number, isLive: boolean): void;
}

export function createNiceControl(onPick: (nice: number) => void): NiceControl {
  let confirmed = 0;
  let wish: { readonly nice: number; readonly endsAtMs: number } | undefined;
  const current = (): number => wish?.nice ?? confirmed;
  const pick = (nice: number): void => {
    if (nice === current() || nice < least || nice > most) return;
    wish = { nice, endsAtMs: performance.now() + patienceMs };
    field.show(nice);
    onPick(nice);
  };
  const field = numberField({
    className: 'niceField',
    label: `Nice, ${least} to ${most}: lower for a larger share`,
    least,
    most,
    onPick: pick,
  });
  const less = iconButton('less', () => pick(current() - 1));
  const more = iconButton('more', () => pick(current() + 1));
  less.name('Lower nice: a larger share');
  more.name('Raise nice: a smaller share');
  return {
    elements: [less.element, field.element, more.element],
    show(nice, isLive) {
      confirmed = nice;
      if (wish !== undefined && (wish.nice === nice || performance.now() > wish.endsAtMs)) wish = undefined;
      field.show(current());
      setDisabled(field.element, !isLive);
      setDisabled(less.element, !isLive || current() <= least);
      setDisabled(more.element, !isLive || current() >= most);
    },
  };
}
