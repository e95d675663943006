// Stands in for @vscode/native-watchdog in the editor that the tests install: ends an extension host whose server is
// gone. The native module also ends one whose event loop hangs; a test run that hangs is killed as a whole.
const process = require('node:process');
const { setInterval } = require('node:timers');

exports.start = (pid) => {
  const timer = setInterval(() => {
    try {
      process.kill(pid, 0);
    } catch {
      process.exit(87);
    }
  }, 1000);
  timer.unref();
};
exports.exit = (code) => process.exit(code);
