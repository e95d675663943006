/** The texts of `--help`. A test keeps the options named here and those that are parsed the same. */

const amk = `amk: coding agents on one local model

Usage:
  amk run [options] "task" ["task" …]   run an agent for each task, all at once
  amk help run                          what run understands
  amk --version
`;

const run = `Usage: amk run [options] "task" ["task" …]

Runs one agent a task, all at once on one local model, and prints the answers on stdout. Agents start with no
rights: each access is asked for in the terminal, or granted beforehand with --grant.

Options:
  -w, --workspace DIR    folder the agents work in (default: this one)
  -a, --agent NAME       agent for the tasks; give it once, or once for each task (default: coder)
      --agents FILE      agent definitions, a JSON array or {"agents": […]}, instead of the built-in ones
  -g, --grant CAP:SCOPE  right the agents have from the start, any number of times:
                           fs.read:src          read src and everything below it; "." is the whole folder
                           fs.write:src/a.ts    change (and read) one file
                           "process.run:npm test"   run this command; a last word * is any further arguments
  -m, --model FILE       model file in GGUF format (default: the small embedded model)
      --gpu CHOICE       auto, cpu, cuda, vulkan or metal (default: auto)
      --json             one JSON document on stdout instead of the answers
  -v, --verbose          also show what the kernel logs
  -h, --help

Exit status: 0 every agent answered and nothing was denied · 1 not so · 2 wrong usage · 3 the kernel did not
start · 130 interrupted

Examples:
  amk run --grant fs.read:. "Where is parseConfig defined?"
  amk run --grant fs.read:src --json "What does src/a.ts export?" "List the TODO comments in src/b.ts."
`;

export const helpTexts = { amk, run } as const;
