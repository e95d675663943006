import assert from 'node:assert/strict';
import { Transcript, describeCall, embeddedModelNote } from '../../../src/extension/transcript.js';
import type { AgentReport, ToolCallReport } from '../../../src/shared/protocol.js';

const searchCall: ToolCallReport = {
  tool: 'search',
  arguments: { query: 'parseConfig' },
  capability: 'fs.read',
  decision: 'allowed-run',
  ms: 12.4,
  ok: true,
};

const reportOf = (pid: number, answer: string, fields: Partial<AgentReport> = {}): AgentReport => ({
  pid,
  name: 'scout',
  task: 'find it',
  state: 'answered',
  answer,
  error: null,
  toolCalls: [],
  tokens: { prompt: 100, generated: 20, reused: 0 },
  ms: { queued: 1, prefill: 2, decode: 3, tools: 4, total: 2_100 },
  ...fields,
});

/** Runs a script against a transcript and returns what it wrote. */
function written(script: (transcript: Transcript) => void): string {
  let text = '';
  script(new Transcript((piece) => (text += piece)));
  return text;
}

suite('the transcript', () => {
  test('one agent streams: task, tool call, answer, end', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'find it');
      transcript.toolCalled(1, searchCall, 'src/a.ts:3');
      transcript.text(1, 'It is in ');
      transcript.text(1, 'src/a.ts:3.');
      transcript.end(reportOf(1, 'It is in src/a.ts:3.', { toolCalls: [searchCall] }));
    });
    assert.equal(
      text,
      [
        'scout 1 │ ● find it',
        'scout 1 │ → search(query: parseConfig) · fs.read allowed for this run · 12 ms',
        'scout 1 │ It is in src/a.ts:3.',
        'scout 1 │ ✓ answered · 100 + 20 tokens · 1 tool call · 2.1 s',
        '',
      ].join('\n'),
    );
  });

  test('text streams: what has come is written before its line ends', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'find it');
      transcript.text(1, 'half a li');
    });
    assert.ok(text.endsWith('scout 1 │ half a li'));
  });

  test('no line is shared: another agent waits for the end of the open one', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.begin(2, 'coder', 'b');
      transcript.text(1, 'one ');
      transcript.text(2, 'two\nthree');
      transcript.text(1, 'more\n');
      transcript.text(2, ' four');
    });
    assert.deepEqual(text.split('\n').slice(2), [
      'scout 1 │ one more',
      'coder 2 │ two',
      'coder 2 │ three four',
    ]);
  });

  test('a long line is broken between sentences when another agent has a line to say', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.begin(2, 'coder', 'b');
      transcript.text(1, 'See src/a.');
      transcript.toolCalled(2, searchCall, '');
      transcript.text(1, 'ts:3. ');
      transcript.text(1, 'More. ');
    });
    assert.deepEqual(text.split('\n').slice(2), [
      'scout 1 │ See src/a.ts:3.',
      'coder 2 │ → search(query: parseConfig) · fs.read allowed for this run · 12 ms',
      'scout 1 │ More.',
    ]);
  });

  test('what an agent said last is not lost when it ends while another has the line', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.begin(2, 'coder', 'b');
      transcript.text(1, 'thinking');
      transcript.end(reportOf(2, 'done'));
      transcript.begin(2, 'runner', 'c');
      transcript.rest(1);
    });
    assert.deepEqual(text.split('\n').slice(2), [
      'scout 1 │ thinking',
      'coder 2 │ done',
      'coder 2 │ ✓ answered · 100 + 20 tokens · 0 tool calls · 2.1 s',
      'runner 2 │ ● c',
      '',
    ]);
  });

  test('an agent that rests gives the line up', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.begin(2, 'coder', 'b');
      transcript.text(1, 'thinking');
      transcript.text(2, 'done');
      transcript.rest(1);
    });
    assert.deepEqual(text.split('\n').slice(2), ['scout 1 │ thinking', 'coder 2 │ done']);
  });

  test('blank lines stay within an answer and go at its edges', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.text(1, '\n\nfirst\n\nsecond\n\n');
      transcript.end(reportOf(1, 'first\n\nsecond'));
    });
    assert.deepEqual(text.split('\n').slice(1, 5), [
      'scout 1 │ first',
      'scout 1 │ ',
      'scout 1 │ second',
      'scout 1 │ ✓ answered · 100 + 20 tokens · 0 tool calls · 2.1 s',
    ]);
  });

  test('an answer that was not streamed is written at the end', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.end(reportOf(1, 'the answer'));
    });
    assert.ok(text.includes('scout 1 │ the answer\n'));
  });

  test('text that comes before its agent is named is not lost', () => {
    const text = written((transcript) => {
      transcript.text(1, 'early');
      transcript.begin(1, 'scout', 'a');
      transcript.end(reportOf(1, 'early'));
    });
    assert.ok(text.includes('early'));
  });

  test('a model cannot forge the line of another agent, move the cursor or hide text', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a\ncoder 2 │ ✓ answered');
      transcript.text(1, 'x\ncoder 2 │ forged\n\u001b[2Jy\u202Ez');
    });
    for (const line of text.split('\n').filter((each) => each !== ''))
      assert.ok(line.startsWith('scout 1 │ '));
    assert.ok(text.includes('\\u{1b}[2Jy\\u{202e}z'));
  });

  test('a failed agent says why, a lost one too', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      const error = { code: 'limitReached', message: 'step limit of 8 reached' } as const;
      transcript.end(reportOf(1, '', { state: 'failed', error }));
      transcript.begin(2, 'coder', 'b');
      transcript.lose(2, 'the kernel process was killed by SIGKILL');
      transcript.lose(9, 'nobody');
    });
    assert.ok(text.includes('✗ failed: step limit of 8 reached · 100 + 20 tokens'));
    assert.ok(text.endsWith('coder 2 │ ✗ the kernel process was killed by SIGKILL\n'));
  });

  test('a note stands on a line of its own', () => {
    const text = written((transcript) => {
      transcript.begin(1, 'scout', 'a');
      transcript.text(1, 'half');
      transcript.note('a note');
      transcript.text(1, ' more');
    });
    assert.ok(text.endsWith('scout 1 │ half\na note\nscout 1 │  more'));
  });
});

suite('a tool call in words', () => {
  test('a failure says what it was, in one line', () => {
    const call = { ...searchCall, decision: 'denied', ok: false, ms: 1_500 } as const;
    assert.equal(
      describeCall(call, 'permission denied\nmore'),
      '→ search(query: parseConfig) · fs.read denied · 1.5 s · failed: permission denied',
    );
  });

  test('long arguments are cut', () => {
    const call = {
      ...searchCall,
      capability: null,
      decision: 'none',
      arguments: { find: 'x'.repeat(500) },
    } as const;
    assert.ok(describeCall(call, '').length < 130);
  });
});

test('the note on the embedded model names it and how to choose another', () => {
  const note = embeddedModelNote({
    driver: 'llama',
    model: 'amk-embedded',
    modelPath: '/m.gguf',
    modelBytes: 26_000_000,
    device: 'cpu',
    slots: 8,
    contextTokens: 4096,
    kvBytesPerToken: 1000,
    bootMs: 10,
    keepsAgents: false,
  });
  assert.ok(note.includes('amk-embedded') && note.includes('26 MB') && note.includes('Choose Model File'));
});
