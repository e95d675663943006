// What the keys of `amk top` do, and how the selection follows the agents.

import assert from 'node:assert/strict';
import type { TopModel, TopRequest } from '../../../src/cli/topModel.js';
import { rowOf } from '../extension/rows.js';
import { fleet, modelOf } from './topViews.js';

const press = (model: TopModel, ...keys: string[]): TopRequest => keys.map((key) => model.press(key)).at(-1);
const selected = (model: TopModel): number | undefined => model.view().selected;
const lineOf = (model: TopModel): string => {
  const { line } = model.view();
  return line.kind === 'keys' ? 'keys' : `${line.kind}: ${line.text}`;
};

suite('the keys of amk top', () => {
  test('those that live come first by number, then the ended ones, the latest first', () => {
    assert.deepEqual(
      modelOf()
        .view()
        .rows.map(({ pid }) => pid),
      [1, 2, 12, 4, 3],
    );
  });

  test('arrows move the selection and stop at both ends', () => {
    const model = modelOf();
    const steps = ['up', 'down', 'down', 'end', 'down', 'pageUp', 'pageDown', 'home'];
    assert.deepEqual(
      steps.map((key) => (model.press(key), selected(model))),
      [1, 2, 12, 3, 3, 1, 3, 1],
    );
  });

  test('p pauses, and lets a paused one go on', () => {
    const model = modelOf();
    assert.deepEqual(press(model, 'p'), { call: 'pause', input: { pid: 1 } });
    assert.deepEqual(press(model, 'down', 'p'), { call: 'resume', input: { pid: 2 } });
  });

  test('p takes a pause back while a tool still works for the agent', () => {
    const model = modelOf([rowOf(1, { state: 'waiting', isPaused: true })]);
    assert.deepEqual(press(model, 'p'), { call: 'resume', input: { pid: 1 } });
  });

  test('+ and F8 make nicer, - and F7 less nice; a key pressed twice counts twice', () => {
    const model = modelOf();
    const nice = (key: string) => model.press(key) as { input: { nice: number } };
    assert.deepEqual(
      ['+', '+', 'f8', '-', '_', 'f7', '='].map((key) => nice(key).input.nice),
      [-4, -3, -2, -3, -4, -5, -4],
    );
    assert.equal(model.view().rows[0]?.nice, -4);
  });

  test('nice ends where it ends', () => {
    const model = modelOf([rowOf(1, { nice: 19 })]);
    assert.equal(press(model, '+'), undefined);
    assert.equal(lineOf(model), 'error: nice goes from -20 to 19');
  });

  test('c goes through the classes', () => {
    const model = modelOf();
    const classes = ['c', 'c', 'c'].map(
      (key) => (model.press(key) as { input: { class: string } }).input.class,
    );
    assert.deepEqual(classes, ['normal', 'batch', 'interactive']);
  });

  test('k asks, and only y stops', () => {
    const model = modelOf();
    assert.equal(press(model, 'down', 'k'), undefined);
    assert.equal(lineOf(model), 'question: Stop 2 reviewer? y: yes, any other key: no');
    assert.equal(press(model, 'n'), undefined);
    assert.equal(lineOf(model), 'keys');
    assert.equal(press(model, 'y'), undefined);
    assert.deepEqual(press(model, 'k', 'y'), { call: 'stop', input: { pid: 2 } });
    assert.equal(lineOf(model), 'note: 2 reviewer is told to stop');
  });

  test('while it asks, q and the arrows are no, and errors do not hide the question', () => {
    const model = modelOf();
    press(model, 'k');
    model.say('error', 'the kernel is slow');
    assert.match(lineOf(model), /^question/);
    assert.equal(press(model, 'q'), undefined);
    assert.equal(press(model, 'k', 'down'), undefined);
    assert.equal(selected(model), 1);
    assert.equal(press(model, 'q'), 'quit');
  });

  test('the answer is for the agent that was asked about, whatever moved meanwhile', () => {
    const model = modelOf();
    press(model, 'k');
    model.rowsChanged([rowOf(1, { state: 'exited', outcome: 'answered' })]);
    assert.equal(selected(model), 2);
    assert.deepEqual(press(model, 'y'), { call: 'stop', input: { pid: 1 } });
  });

  test('nothing can be done with one that has ended', () => {
    const model = modelOf();
    for (const key of ['p', '+', 'c', 'k']) {
      assert.equal(press(model, 'end', key), undefined);
      assert.equal(lineOf(model), 'error: 3 scout has ended');
    }
  });

  test('the selection stays in its place when its agent ends or is forgotten', () => {
    const model = modelOf();
    press(model, 'down');
    model.rowsChanged([rowOf(2, { state: 'exited', outcome: 'stopped' })]);
    assert.equal(selected(model), 12);
    model.sampled(fleet.slice(0, 2), { rssBytes: 1, peakRssBytes: 1, tiers: null }, 3_000);
    assert.equal(selected(model), 3);
    model.sampled([], { rssBytes: 1, peakRssBytes: 1, tiers: null }, 4_000);
    assert.equal(selected(model), undefined);
    assert.equal(press(model, 'k'), undefined);
    assert.equal(press(model, 'down'), undefined);
    model.rowsChanged([rowOf(5)]);
    assert.equal(selected(model), 5);
  });

  test('keys that mean nothing do nothing but take back what was said', () => {
    const model = modelOf();
    model.say('error', 'so it was');
    assert.equal(press(model, ''), undefined);
    assert.equal(lineOf(model), 'keys');
  });
});
