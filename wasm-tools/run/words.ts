/**
 * A command line as the words of one program's call. Blanks separate, quotes hold together, a backslash takes the
 * next character as it is. Nothing is expanded and no operator means anything: a text that a shell would act on is
 * refused, since running it without a shell would be something else than what was meant.
 */

const newline = 0x0a;
const doubleQuote = 0x22;
const dollar = 0x24;
const singleQuote = 0x27;
const backslash = 0x5c;
const backtick = 0x60;

/** Characters that a shell acts on wherever they stand outside quotes. */
const operators = '|&;<>()\n';
/** And those it acts on at the beginning of a word. */
const openers = '*?~#';

export class CommandLine {
  words: string[] = [];
  /** Why it cannot be run, or nothing. */
  fault: string = '';
  private at: i32 = 0;
  private word: string = '';
  private hasWord: bool = false;
  /** Whether the word so far is free of quotes and backslashes. */
  private isBare: bool = true;

  constructor(private text: string) {
    while (this.at < text.length && this.fault.length == 0) this.step();
    if (this.fault.length == 0) this.endWord();
    if (this.fault.length == 0 && (this.words.length == 0 || this.words[0].length == 0)) {
      this.fault = 'error: nothing to run';
    }
  }

  private step(): void {
    const code = this.text.charCodeAt(this.at);
    if (code == 0x20 || code == 0x09 || code == 0x0d) {
      this.endWord();
      this.at++;
    } else if (code == singleQuote) {
      this.takeQuoted(singleQuote);
    } else if (code == doubleQuote) {
      this.takeQuoted(doubleQuote);
    } else if (code == backslash) {
      this.takeEscaped();
    } else {
      this.takeBare(code);
    }
  }

  private takeBare(code: i32): void {
    const character = this.text.charAt(this.at);
    if (operators.includes(character)) {
      this.refuse(code == newline ? 'a line break' : `\`${this.operatorAt()}\``);
    } else if (this.isExpansion(code)) {
      this.refuse(`\`${character}\``);
    } else if (!this.hasWord && openers.includes(character)) {
      this.refuse(`\`${character}\``);
    } else {
      if (!this.hasWord) this.isBare = true;
      this.take(character);
    }
  }

  private takeEscaped(): void {
    this.isBare = false;
    this.at++;
    if (this.at >= this.text.length) {
      this.fault = 'error: the command ends in a backslash';
    } else if (this.text.charCodeAt(this.at) == newline) {
      this.at++;
    } else {
      this.take(this.text.charAt(this.at));
    }
  }

  /** Takes what stands between two quotes; the first is here. */
  private takeQuoted(quote: i32): void {
    this.hasWord = true;
    this.isBare = false;
    this.at++;
    while (this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at);
      if (code == quote) {
        this.at++;
        return;
      }
      if (quote == doubleQuote) {
        if (this.isExpansion(code)) return this.refuse(`\`${this.text.charAt(this.at)}\``);
        if (code == backslash && this.isEscapable(this.at + 1)) this.at++;
      }
      this.take(this.text.charAt(this.at));
    }
    this.fault = 'error: a quote is not closed';
  }

  /** Whether a backslash between double quotes means the next character. */
  private isEscapable(at: i32): bool {
    if (at >= this.text.length) return false;
    const code = this.text.charCodeAt(at);
    return code == doubleQuote || code == backslash || code == dollar || code == backtick;
  }

  /** Whether a shell would put a value here: `$name`, `${…}`, `$(…)` or a command between backticks. */
  private isExpansion(code: i32): bool {
    if (code == backtick) return true;
    if (code != dollar || this.at + 1 >= this.text.length) return false;
    const next = this.text.charCodeAt(this.at + 1);
    const lower = next | 0x20;
    const isName = (lower >= 0x61 && lower <= 0x7a) || next == 0x5f || (next >= 0x30 && next <= 0x39);
    return isName || '{(?@*#!$'.includes(String.fromCharCode(next));
  }

  private take(character: string): void {
    this.word += character;
    this.hasWord = true;
    this.at++;
  }

  private operatorAt(): string {
    let end = this.at;
    while (end < this.text.length && '|&;<>'.includes(this.text.charAt(end))) end++;
    return this.text.substring(this.at, max(end, this.at + 1));
  }

  private endWord(): void {
    if (!this.hasWord) return;
    if (this.isBare) this.checkBare();
    this.words.push(this.word);
    this.word = '';
    this.hasWord = false;
    this.isBare = true;
  }

  /** A variable before the program, or a pattern that names files; an option may hold `*` and `?` for the program. */
  private checkBare(): void {
    const word = this.word;
    const isPattern = !word.startsWith('-') && (word.includes('*') || word.includes('?'));
    if (isPattern || (this.words.length == 0 && isAssignment(word))) this.refuse(`\`${word}\``);
  }

  private refuse(what: string): void {
    this.fault = `error: there is no shell here, so ${what} does nothing; run one program with its arguments`;
  }
}

/** Whether a shell would set a variable: `NAME=value`. */
function isAssignment(word: string): bool {
  const equals = word.indexOf('=');
  for (let i = 0; i < equals; i++) {
    const code = word.charCodeAt(i);
    const lower = code | 0x20;
    const isLetter = (lower >= 0x61 && lower <= 0x7a) || code == 0x5f;
    if (!isLetter && !(i > 0 && code >= 0x30 && code <= 0x39)) return false;
  }
  return equals > 0;
}
