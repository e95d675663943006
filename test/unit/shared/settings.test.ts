/**
 * Settings are declared in src/shared and repeated in package.json, where the editor looks for them. This test keeps
 * the two equal; run with UPDATE_GOLDEN=1 it writes package.json instead.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { agentDefinitionSchema, agentDefinitionsSchema } from '../../../src/shared/agentDefinition.js';
import {
  defaultEngineSettings,
  editorSettingsSchema,
  engineSettingsSchema,
  settingsSection,
} from '../../../src/shared/settings.js';

const packagePath = new URL('../../../../package.json', import.meta.url);

interface Package {
  contributes: { configuration: { title: string; properties: Record<string, Record<string, unknown>> } };
}

/** All but the agents. */
const machineSettings = { ...engineSettingsSchema.shape, ...editorSettingsSchema.shape };

const readPackage = (): Package => JSON.parse(readFileSync(packagePath, 'utf8')) as Package;

/** The JSON form of what a person may write. */
function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>;
  return rest;
}

/** Prose with names in backticks is shown as Markdown. */
function describe({ description, ...rest }: Record<string, unknown>): Record<string, unknown> {
  const key = String(description).includes('`') ? 'markdownDescription' : 'description';
  return { ...rest, [key]: description };
}

function expectedProperties(): Record<string, Record<string, unknown>> {
  const engine = Object.entries(machineSettings).map(([name, schema]) => [
    `${settingsSection}.${name}`,
    describe({ ...jsonSchemaOf(schema), scope: 'machine' }),
  ]);
  const agents = {
    ...jsonSchemaOf(agentDefinitionsSchema),
    default: [],
    scope: 'resource',
    description:
      'Agents of this workspace or user. One with the name of a built-in agent takes its place. A definition gives no rights: every access is asked for.',
    defaultSnippets: [
      {
        label: 'New agent',
        body: [
          { name: '${1:librarian}', description: '$2', instructions: '$3', tools: ['read_file', 'search'] },
        ],
      },
    ],
  };
  return { ...Object.fromEntries(engine), [`${settingsSection}.agents`]: agents } as Record<
    string,
    Record<string, unknown>
  >;
}

suite('contributed settings', () => {
  test('package.json repeats every setting of src/shared exactly', () => {
    const manifest = readPackage();
    const expected = expectedProperties();
    if (process.env['UPDATE_GOLDEN'] === '1') {
      manifest.contributes.configuration.properties = expected;
      writeFileSync(packagePath, `${JSON.stringify(manifest, null, 2)}\n`);
    }
    assert.deepEqual(readPackage().contributes.configuration.properties, expected);
  });

  test('what decides which code or model runs cannot be set by a workspace', () => {
    const { properties } = readPackage().contributes.configuration;
    for (const name of Object.keys(machineSettings)) {
      assert.equal(properties[`${settingsSection}.${name}`]?.['scope'], 'machine', name);
    }
  });

  test('every setting has a description, and a default that its own schema takes', () => {
    const { properties } = readPackage().contributes.configuration;
    for (const [name, property] of Object.entries(properties)) {
      const text = property['markdownDescription'] ?? property['description'];
      assert.ok(typeof text === 'string' && text.length > 20, name);
      assert.ok('default' in property, name);
    }
    assert.deepEqual(engineSettingsSchema.parse(defaultEngineSettings), defaultEngineSettings);
  });

  test('every field of an agent definition is described', () => {
    for (const [name, schema] of Object.entries(agentDefinitionSchema.shape)) {
      assert.ok((schema.description ?? '').length > 10, name);
    }
  });
});
