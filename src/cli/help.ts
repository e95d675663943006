/** The texts of `--help`. A test keeps the options named here and those that are parsed the same. */

const amk = `amk: coding agents on one local model

Usage:
  amk run [options] "task" ["task" …]   run an agent for each task, all at once
  amk top                               watch and steer the agents of a running kernel
  amk ps                                list the agents of all running kernels
  amk stop | pause | resume PID …       end agents, withhold the device from them, give it back
  amk renice PID … --nice N             change their share of the device
  amk model pull URI                    download a model file
  amk mcp                               serve MCP over stdin and stdout
  amk serve                             serve other programs over HTTP: OpenAI's interface, MCP, metrics
  amk kv ls | show | verify | rm | export   look at kept attention state, remove some
  amk grants [revoke ID …]              rights that live in running kernels; take some back
  amk audit verify | show | export      whether the audit log is whole, and what it says
  amk help COMMAND                      what a command understands
  amk --version

Kernels that the editor or another amk run started are found by themselves.
`;

const run = `Usage: amk run [options] "task" ["task" …]

Runs one agent a task, all at once on one local model, and prints the answers on stdout. Agents start with no
rights: each access is asked for in the terminal, or granted beforehand with --grant. Where they are is kept: they
go on by themselves when the kernel dies, and with --resume when the whole run did.

Options:
  -w, --workspace DIR    folder the agents work in (default: this one)
  -a, --agent NAME       agent for the tasks; give it once, or once for each task (default: coder)
      --agents FILE      agent definitions, a JSON array or {"agents": […]}, instead of the built-in ones
  -g, --grant CAP:SCOPE  right the agents have from the start, any number of times:
                           fs.read:src          read src and everything below it; "." is the whole folder
                           fs.write:src/a.ts    change (and read) one file
                           "process.run:npm test"   run this command; a last word * is any further arguments
      --resume           agents of an earlier run here that had not ended go on as well; then no task is needed
      --no-state         keep nothing of the agents: they end with this run, whatever ends it
  -m, --model FILE       model file in GGUF format (default: the small embedded model)
      --gpu CHOICE       auto, cpu, cuda, vulkan or metal (default: auto)
      --store KIND=URL   vector store for what agents page out, instead of the kernel's own: chroma, weaviate or
                         pinecone. What agents read and say is sent there
      --json             one JSON document on stdout instead of the answers
  -v, --verbose          also show what the kernel logs
  -h, --help

AMK_STORE_KEY is the key that the vector store asks for, if it does.

Exit status: 0 every agent answered and nothing was denied · 1 not so · 2 wrong usage · 3 the kernel did not
start · 130 interrupted

Examples:
  amk run --grant fs.read:. "Where is parseConfig defined?"
  amk run --grant fs.read:src --json "What does src/a.ts export?" "List the TODO comments in src/b.ts."
`;

const kernelOption = `  -k, --kernel PID       the kernel, where several run; amk ps shows them
`;

/** The statuses that all commands on running kernels share. */
const controlStatus = `
Exit status: 0 done · 1 not so, for example because there is no such agent · 2 wrong usage · 3 there is no such
kernel, or it ended meanwhile · 130 interrupted
`;

const top = `Usage: amk top [options]

Shows the agents of a running kernel, most telling figures first, and refreshes in place: each agent's share of the
device and its tokens a second over the last seconds. Where stdout is no terminal it prints once.

Keys:
  ↑ ↓ PgUp PgDn Home End  select an agent        c    next class: interactive, normal, batch
  p  pause it, or let it go on                   k    stop it, after a question
  +  or F8  more nice: a smaller share           q    leave; the agents go on
  -  or F7  less nice: a larger share

Options:
${kernelOption}  -i, --interval MS      time between two looks (default: 1000)
      --once             look for one interval, print the table and end
      --json             JSON instead of a table: one line a look, or one document with --once
  -h, --help
${controlStatus}`;

const ps = `Usage: amk ps [options]

Lists the agents of all running kernels.

Options:
${kernelOption}  -a, --all              also the agents that have ended
      --json             one JSON document instead of tables
  -h, --help
${controlStatus}`;

const steerTexts = {
  stop: 'Ends agents. What they did stays; whoever waits for them gets what they had answered so far.',
  pause: 'Withholds the device from agents until amk resume. A tool that is at work ends its work.',
  resume: 'Gives paused agents the device back.',
} as const;

const steer = (kind: keyof typeof steerTexts): string => `Usage: amk ${kind} [options] PID [PID …]

${steerTexts[kind]}

Options:
${kernelOption}  -h, --help
${controlStatus}`;

const grants = `Usage: amk grants [options]
       amk grants revoke [options] ID [ID …]

Lists the rights that live in running kernels, or takes some back: a tool that works with one is stopped at once.

Options:
${kernelOption}      --json             one JSON document instead of tables
  -h, --help
${controlStatus}`;

const audit = `Usage: amk audit verify | show [options]
       amk audit export [options] FILE

The audit log holds a line for every act and every right, each with the digest of the line before. verify names the
first line that was edited, removed or moved; show prints lines, the newest last; export writes all of it to a file.

Options:
  -w, --workspace DIR    folder whose agents are meant (default: this one)
      --state DIR        folder of the state itself, for example the editor's
  -a, --agent NAME       show: only of this agent, by its name or number
  -t, --tool NAME        show: only of this tool, host function or syscall
      --denied           show: only what was refused or taken back
      --since TIME       show: only since then; 30m, 2h, 3d or 2026-11-22T10:00
  -n, --last N           show: only the newest so many
      --json             one JSON document instead of text
  -h, --help

Exit status: 0 it is whole, or done · 1 it is not whole, or there is no log · 2 wrong usage
`;

const renice = `Usage: amk renice [options] PID [PID …]

Changes what share of the device agents get. Without --nice or --class, that stays as it is.

Options:
  -n, --nice N           -20 (most) to 19 (least), as on Linux
  -c, --class CLASS      interactive, normal or batch
${kernelOption}  -h, --help
${controlStatus}
Examples:
  amk renice 3 --nice -5
  amk renice 2 4 --class batch
`;

const serve = `Usage: amk serve [options]

Starts a kernel and serves other programs of this machine over HTTP, until it is interrupted: the interface of OpenAI
below /v1, MCP (Model Context Protocol) at /mcp, figures for Prometheus at /metrics. It prints the address and a token
for each program, once; nobody is let in without one. Nobody can be asked here, so that agents that are started over it
have the rights of --grant and no others.

Options:
  -p, --port N           port on 127.0.0.1 (default: any that is free)
  -c, --client NAME      a program that gets a token, any number of times (default: client). Each has its own share of
                         the device
  -w, --workspace DIR    folder that agents work in (default: this one)
  -g, --grant CAP:SCOPE  right that every agent has, any number of times; as for amk run
  -m, --model FILE       model file in GGUF format (default: the small embedded model)
      --gpu CHOICE       auto, cpu, cuda, vulkan or metal (default: auto)
      --store KIND=URL   vector store for what agents page out; as for amk run
      --json             address and tokens as one line of JSON
  -v, --verbose          also show requests, and what the kernel logs
  -h, --help

Exit status: 0 it was interrupted · 2 wrong usage, or the port is not to be had · 3 the kernel did not start, or ended
`;

const mcp = `Usage: amk mcp [options]

Starts a kernel and serves MCP (Model Context Protocol) over stdin and stdout, for editors and agents that start their
servers themselves. Agents work in one folder. Nobody can be asked here, so that they have the rights of --grant and no
others. It ends when its input does.

Options:
  -w, --workspace DIR    folder the agents work in (default: this one)
  -g, --grant CAP:SCOPE  right that every agent has, any number of times; as for amk run
  -m, --model FILE       model file in GGUF format (default: the small embedded model)
      --gpu CHOICE       auto, cpu, cuda, vulkan or metal (default: auto)
      --store KIND=URL   vector store for what agents page out, instead of the kernel's own: chroma, weaviate or
                         pinecone. What agents read and say is sent there
  -v, --verbose          also show what the kernel logs, on stderr
  -h, --help

AMK_STORE_KEY is the key that the vector store asks for, if it does.

Exit status: 0 the input ended · 1 not so · 2 wrong usage · 3 the kernel did not start, or ended

Example, as clients are configured:
  {"mcpServers": {"amk": {"command": "amk", "args": ["mcp", "--workspace", "/path", "--grant", "fs.read:."]}}}
`;

const model = `Usage: amk model pull [options] URI

Downloads a model file in GGUF format and checks it. Interrupted, the same command goes on where it was; a file that is
there already is not fetched again.

  hf:USER/MODEL:QUANT        of a Hugging Face repository the file of that quantisation, for example
                             hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M
  hf:USER/MODEL/FILE.gguf    one file of it; #BRANCH may follow
  https://…                  any other address

Options:
      --dir DIR          folder to put it into (default: the models folder of this user)
      --sha256 HEX       checksum that it must have (default: what the repository publishes)
      --json             one JSON document on stdout
  -h, --help

HF_ENDPOINT names another server for hf:, HF_TOKEN opens repositories that need one.

Exit status: 0 it is there and as it should be · 1 not so · 2 wrong usage · 130 interrupted
`;

const kv = `Usage: amk kv ls | verify [options]
       amk kv show [options] KEY
       amk kv rm [options] KEY [KEY …]     or  --all
       amk kv export [options] KEY FILE

What is kept of the attention state of agents that had not ended, so that they go on at once. The beginning of a KEY
is enough where no other one begins like it.

  ls       the snapshots and what they take, and the agents that have none
  show     what a snapshot is of, whether it is whole, and its agent's conversation
  verify   reads everything, with a line for each file
  rm       removes snapshots, after a question; their agents compute again. Not while a kernel uses the store
  export   writes a snapshot to a new safetensors file, not encrypted. It tells all that was said

Options:
  -w, --workspace DIR    whose agents (default: those of this folder)
      --state DIR        the folder of a store, for example the editor's, instead
      --all              rm: everything, also what was set aside as damaged
  -y, --yes              rm: do not ask
      --json             one JSON document on stdout
  -h, --help

AMK_STATE_DIR names the folder that amk run keeps the stores of all workspaces in. AMK_STATE_KEY is what they are
encrypted with, for amk run as well: 64 digits from 0 to f, or the path of a file that holds them.

Exit status: 0 done · 1 not so: something is damaged, there is no such snapshot, a kernel uses the store · 2 wrong
usage · 3 the store could not be looked at
`;

export const helpTexts = {
  amk,
  run,
  top,
  ps,
  stop: steer('stop'),
  pause: steer('pause'),
  resume: steer('resume'),
  renice,
  model,
  mcp,
  serve,
  kv,
  grants,
  audit,
} as const;

export type HelpTopic = keyof typeof helpTexts;

export const isTopic = (word: string | undefined): word is HelpTopic =>
  word !== undefined && Object.hasOwn(helpTexts, word);
