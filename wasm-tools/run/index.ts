/** `run(command)`: one program with its arguments, run to its end. Its output, and then `exit N` in a line of its own. */

import { Fields } from '../lib/fields';
import { Call, fail, runProcess, succeed } from '../lib/host';
import { fitted, readableLines } from './terminal';
import { CommandLine } from './words';

export function execute(): void {
  const call = Call.current();
  const command = new CommandLine(call.text(0));
  if (command.fault.length > 0) return fail(command.fault);
  const reply = runProcess(command.words);
  if (!reply.ok) return fail(reply.failure);
  const fields = new Fields(reply.bytes);
  const status = fields.text(0);
  // What a status does not say: that it was stopped, or by which signal it ended.
  const note = fields.text(1);
  const ending = note.length > 0 ? `${note}\nexit ${status}` : `exit ${status}`;
  succeed(fitted(readableLines(fields.bytes(2)), ending, call.resultBytes));
}
