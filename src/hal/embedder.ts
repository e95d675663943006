/**
 * What the rest of the kernel knows of an embedder: texts in, points out. Texts that mean alike lie close together, so
 * that a search finds a block by what it is about. It never stores anything and knows nothing of what a text is for.
 */

export interface Embedder extends AsyncDisposable {
  /** Name of the model, and what tells it from any other: vectors of two models cannot be compared. */
  readonly model: string;
  readonly fingerprint: string;
  readonly dimensions: number;

  /**
   * One vector a text, in the same order, of length 1: their dot product is their cosine. A text without any token
   * has the zero vector, which is near to nothing. Texts of any length are taken as a whole.
   * @throws KernelError `deviceFailed`
   */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}
