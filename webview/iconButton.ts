/** A button that shows a picture: it always has a name too, for the pointer and for those who cannot see it. */

import { drawIcon, icon, setTitle, type IconName } from './dom.js';
import { button } from './toolkit.js';

export interface IconButton {
  readonly element: HTMLElement;
  draw(name: IconName): void;
  /** Says what it does. */
  name(label: string): void;
}

export function iconButton(name: IconName, onPress: () => void): IconButton {
  const made = button({ className: 'iconButton', appearance: 'icon', onPress });
  const svg = icon(name);
  made.append(svg);
  return {
    element: made,
    draw: (next) => drawIcon(svg, next),
    name(label) {
      setTitle(made, label);
      if (made.getAttribute('aria-label') !== label) made.setAttribute('aria-label', label);
    },
  };
}
