/**
 * The controls of the page, and the only module that knows the library they come from: another library is a change
 * of this file. It hands out plain elements and takes plain values; it never takes markup.
 */

import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeDataGrid,
  vsCodeDataGridCell,
  vsCodeDataGridRow,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
} from '@vscode/webview-ui-toolkit';

export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeDataGrid(),
    vsCodeDataGridCell(),
    vsCodeDataGridRow(),
    vsCodeDropdown(),
    vsCodeOption(),
    vsCodeProgressRing(),
  );
}

function control(tag: string, className: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

export function progressRing(className: string): HTMLElement {
  return control('vscode-progress-ring', className);
}

export interface ButtonOptions {
  readonly className: string;
  readonly appearance: 'primary' | 'secondary' | 'icon';
  readonly onPress: () => void;
}

/** The caller gives it content: a label, or an icon and a name for those who cannot see it. */
export function button({ className, appearance, onPress }: ButtonOptions): HTMLElement {
  const element = control('vscode-button', className);
  element.setAttribute('appearance', appearance);
  element.addEventListener('click', onPress);
  return element;
}

/** A button of the browser's own, where the library's is too large to stand in a line of text or in a map. */
export function plainButton({ className, onPress }: Omit<ButtonOptions, 'appearance'>): HTMLElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = className;
  element.addEventListener('click', onPress);
  return element;
}

export function setDisabled(element: HTMLElement, isDisabled: boolean): void {
  element.toggleAttribute('disabled', isDisabled);
}

export interface Dropdown {
  readonly element: HTMLElement;
  /** Leaves the control alone while a person has it open. */
  show(value: string): void;
}

export interface DropdownOptions {
  readonly className: string;
  readonly label: string;
  readonly values: readonly string[];
  readonly onPick: (value: string) => void;
}

export function dropdown({ className, label, values, onPick }: DropdownOptions): Dropdown {
  const element = control('vscode-dropdown', className) as HTMLElement & { value: string; open: boolean };
  element.setAttribute('aria-label', label);
  for (const value of values) {
    const option = control('vscode-option', '');
    option.setAttribute('value', value);
    option.textContent = value;
    element.append(option);
  }
  element.addEventListener('change', () => onPick(element.value));
  return {
    element,
    show(value) {
      if (!element.open && element.value !== value) element.value = value;
    },
  };
}

export interface NumberField {
  readonly element: HTMLElement;
  /** Leaves the field alone while a person types in it. */
  show(value: number): void;
}

export interface NumberFieldOptions {
  readonly className: string;
  readonly label: string;
  readonly least: number;
  readonly most: number;
  /** Told when the person is done, of a whole number within the bounds. */
  readonly onPick: (value: number) => void;
}

/** The library's text field knows no numbers: this is the browser's own, which brings keys and bounds with it. */
export function numberField({ className, label, least, most, onPick }: NumberFieldOptions): NumberField {
  const field = document.createElement('input');
  field.className = className;
  field.type = 'number';
  field.min = String(least);
  field.max = String(most);
  field.title = label;
  field.setAttribute('aria-label', label);
  let shown = '';
  let isEdited = false;
  const show = (text: string): void => {
    isEdited = false;
    field.value = text;
  };
  field.addEventListener('input', () => (isEdited = true));
  field.addEventListener('blur', () => show(shown));
  field.addEventListener('change', () => {
    const value = Math.round(field.valueAsNumber);
    show(shown);
    if (!Number.isNaN(value)) onPick(Math.min(most, Math.max(least, value)));
  });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') show(shown);
    // The table walks its cells with these.
    if (/^(Arrow|Home$|End$|Page)/.test(event.key)) event.stopPropagation();
  });
  return {
    element: field,
    show(value) {
      shown = String(value);
      if (!isEdited && field.value !== shown) field.value = shown;
    },
  };
}

export function grid(label: string): HTMLElement {
  const element = control('vscode-data-grid', 'grid');
  element.setAttribute('generate-header', 'none');
  element.setAttribute('aria-label', label);
  return element;
}

export function gridRow(kind: 'header' | 'default'): HTMLElement {
  const element = control('vscode-data-grid-row', `row ${kind}`);
  if (kind === 'header') element.setAttribute('row-type', 'header');
  return element;
}

export function gridCell(kind: 'columnheader' | 'default', column: string): HTMLElement {
  const element = control('vscode-data-grid-cell', `cell ${column}`);
  // Without it the control names a column "undefined", and all cells share it.
  element.setAttribute('grid-column', 'auto');
  if (kind === 'columnheader') element.setAttribute('cell-type', 'columnheader');
  return element;
}

/** A row that is one cell across all columns. @param focus where the arrow keys that walk the cells lead */
export function wideRow(className: string, content: HTMLElement, focus: () => void): HTMLElement {
  const row = document.createElement('div');
  row.className = className;
  row.setAttribute('role', 'row');
  content.setAttribute('role', 'gridcell');
  content.tabIndex = -1;
  content.focus = focus;
  row.append(content);
  // The table learns from its rows where the focus is.
  Object.assign(row, { focusColumnIndex: 0 });
  row.addEventListener('focusin', () => row.dispatchEvent(new CustomEvent('row-focused', { bubbles: true })));
  return row;
}

/**
 * Lets Tab into a cell that holds controls; the arrow keys that walk the cells then go to the first of them. The cell
 * of this library is otherwise a wall: what stands in it is skipped. To be called when the cell is on the page.
 */
export function letFocusIn(cell: HTMLElement): void {
  const first = (): HTMLElement | null =>
    cell.querySelector<HTMLElement>(
      ':is(vscode-button, vscode-dropdown, button, input):not([disabled], [hidden])',
    );
  if (first() === null || !cell.hasAttribute('tabindex')) return;
  cell.removeAttribute('tabindex');
  cell.focus = () => {
    const target = first();
    if (target === null) cell.tabIndex = -1;
    HTMLElement.prototype.focus.call(target ?? cell);
  };
}
