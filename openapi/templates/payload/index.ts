/**
 * Payload CMS 3: alt texts for upload collections. README.md beside this file says how to install it.
 *
 *     import { altTexts } from './altwright'
 *
 *     export default buildConfig({
 *       plugins: [altTexts({ collections: ['media'] })],
 *     })
 *
 * An upload is saved at once, with `altSource: 'pending'`; a job asks for the caption afterwards and
 * writes it only if nobody wrote one in the meantime.
 */

import type { CollectionConfig, Config, Field, Plugin } from 'payload'

import { altFields } from './alt-fields'
import { clearOtherLocales, decideTexts, lookAtCall, queueCaptions, releaseName } from './alt-hooks'
import { type AltOptions, DEFAULTS } from './alt-options'
import { captionTask } from './caption-task'

export { ALT_SOURCES, type AltSource } from './alt-fields'
export type { AltOptions } from './alt-options'
export { backfill, type BackfillOptions, type BackfillSummary } from './backfill'

export function altTexts(given: Partial<AltOptions> = {}): Plugin {
  const options: AltOptions = { ...DEFAULTS, ...given }
  return (config: Config): Config => {
    const known = (config.collections ?? []).map(({ slug }) => slug as string)
    const missing = options.collections.filter((slug) => !known.includes(slug))
    if (missing.length > 0) throw new Error(`altTexts: there is no collection ${missing.join(', ')}`)
    const collections = (config.collections ?? []).map((each) =>
      options.collections.includes(each.slug) ? withAltTexts(each, options) : each,
    )
    // The backfill asks with the same options.
    const custom = { ...config.custom, altwright: options }
    return { ...config, collections, custom, jobs: withTask(config.jobs, options) }
  }
}

function withAltTexts(collection: CollectionConfig, options: AltOptions): CollectionConfig {
  if (!collection.upload) throw new Error(`altTexts: ${collection.slug} is no upload collection`)
  const own = findField(collection.fields, 'alt')
  // The site's own `alt` decides whether each locale has its own text.
  const localized = own ? 'localized' in own && own.localized === true : true
  const added = altFields(localized).filter(({ name }) => !findField(collection.fields, name))
  const fields = [...collection.fields, ...added].map((field) =>
    'name' in field && field.name === 'altSource' ? withClearing(field, options) : field,
  )
  const { hooks } = collection
  return {
    ...collection,
    fields,
    hooks: {
      ...hooks,
      beforeOperation: [...(hooks?.beforeOperation ?? []), lookAtCall],
      beforeChange: [...(hooks?.beforeChange ?? []), decideTexts(options)],
      afterChange: [...(hooks?.afterChange ?? []), queueCaptions(options)],
      afterOperation: [...(hooks?.afterOperation ?? []), releaseName],
    },
  }
}

function withClearing(field: Field, options: AltOptions): Field {
  const hooks = 'hooks' in field ? field.hooks : undefined
  const beforeChange = [...(hooks?.beforeChange ?? []), clearOtherLocales(options)]
  return { ...field, hooks: { ...hooks, beforeChange } } as Field
}

/** A field by its name, also in rows, collapsibles and tabs without a name. */
function findField(fields: Field[], name: string): Field | undefined {
  for (const field of fields) {
    if ('name' in field && field.name === name) return field
    if ('name' in field && field.name) continue
    const nested = field.type === 'tabs'
      ? field.tabs.flatMap((tab) => ('name' in tab ? [] : tab.fields))
      : 'fields' in field ? field.fields : []
    const found = findField(nested, name)
    if (found) return found
  }
  return undefined
}

function withTask(jobs: Config['jobs'], options: AltOptions): NonNullable<Config['jobs']> {
  const { autoRun, queue } = options
  const others = jobs?.autoRun
  const own = autoRun ? [{ ...autoRun, queue, silent: { info: true } }] : []
  return {
    ...jobs,
    tasks: [...(jobs?.tasks ?? []), captionTask(options)] as NonNullable<Config['jobs']>['tasks'],
    autoRun: typeof others === 'function'
      ? async (payload) => [...(await others(payload)), ...own]
      : [...(others ?? []), ...own],
  } as NonNullable<Config['jobs']>
}
