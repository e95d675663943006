/** Small pieces of page. Text goes in as text nodes only; nothing here reads markup. */

export function element(
  tag: 'div' | 'span' | 'p' | 'h1' | 'header' | 'dl' | 'dt' | 'dd' | 'ul' | 'li' | 'code' | 'pre',
  className: string,
): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

/** Writes only what differs, so that selection, focus and a screen reader are left in peace. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function setTitle(target: HTMLElement, title: string): void {
  if (target.title !== title) target.title = title;
}

const paths = {
  pause: 'M4 3h2.5v10H4zM9.5 3H12v10H9.5z',
  resume: 'M4.5 2.5v11l9-5.5z',
  stop: 'M3.5 3.5h9v9h-9z',
  less: 'M3 7.25h10v1.5H3z',
  more: 'M7.25 3h1.5v4.25H13v1.5H8.75V13h-1.5V8.75H3v-1.5h4.25z',
  chevron: 'M5.4 3.3 6.6 2.1 12.5 8l-5.9 5.9-1.2-1.2L10.1 8z',
  pin: 'M6 1h4v1.4l-.7.6v3.4L11.5 8.6V10H8.7v4L8 15.2 7.3 14v-4H4.5V8.6l2.2-2.2V3L6 2.4z',
} as const;

export type IconName = keyof typeof paths;

const svgNamespace = 'http://www.w3.org/2000/svg';

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(svgNamespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svgNamespace, 'path');
  svg.append(path);
  drawIcon(svg, name);
  return svg;
}

export function drawIcon(svg: SVGElement, name: IconName): void {
  svg.firstElementChild?.setAttribute('d', paths[name]);
}
