// What quantise.ts needs of the WebAssembly API beyond the part that the sandbox declares.

declare namespace WebAssembly {
  const Instance: new (module: Module, imports?: object) => Instance;
}
