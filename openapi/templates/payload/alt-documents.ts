/** Reads a document's alt texts as they are stored, and writes one only if it is still as it was read. */

import {
  type CollectionSlug, commitTransaction, createLocalReq, initTransaction, killTransaction,
  type Payload, type PayloadRequest, type SanitizedCollectionConfig,
} from 'payload'

import { ALT_NAMES, type AltState } from './alt-fields'
import { stateOf } from './alt-hooks'
import { blankToNull } from './alt-rules'

export type DocumentId = number | string
/** A stored document: fields that have locales are objects, `{ en: …, de: … }`. */
export type StoredDocument = Record<string, unknown> & { id: DocumentId }

export interface Place {
  payload: Payload
  collection: string
  id: DocumentId
  /** Undefined where the fields have no locales. */
  locale: string | undefined
}

/** Drizzle's operators, of which this file uses a few. */
interface Operators {
  and: (...all: unknown[]) => unknown
  eq: (column: unknown, value: unknown) => unknown
  isNull: (column: unknown) => unknown
  or: (...all: unknown[]) => unknown
  sql: (text: TemplateStringsArray) => unknown
}

type Table = Record<string, unknown>

/** Payload's SQL adapters (PostgreSQL, SQLite): https://payloadcms.com/docs/database/postgres */
interface SqlAdapter {
  drizzle: {
    query: Record<string, { findFirst: (query: { where: WhereFunction }) => { toSQL(): unknown } }>
    update: (table: Table) => {
      set: (values: object) => { where: (where: unknown) => { returning(): Promise<unknown[]> } }
    }
    insert: (table: Table) => {
      values: (values: object) => { onConflictDoNothing(): { returning(): Promise<unknown[]> } }
    }
  }
  localesSuffix: string
  tableNameMap: Map<string, string>
  tables: Record<string, Table>
}

type WhereFunction = (table: Table, operators: Operators) => unknown

export function configOf(payload: Payload, collection: string): SanitizedCollectionConfig {
  const found = payload.collections[collection as CollectionSlug]
  if (!found) throw new Error(`there is no collection ${collection}`)
  return found.config
}

/** The locales of a collection's alt texts; `[undefined]` where they have none. */
export function localesOf(payload: Payload, collection: string): (string | undefined)[] {
  const field = configOf(payload, collection).flattenedFields.find(({ name }) => name === 'altSource')
  const { localization } = payload.config
  const isLocalized = localization && field && 'localized' in field && field.localized
  return isLocalized ? localization.localeCodes : [undefined]
}

/** The stored document, in its latest version, without hooks and fallbacks. Null if it is gone. */
export async function readDocument(
  payload: Payload, collection: string, id: DocumentId, req?: PayloadRequest,
): Promise<StoredDocument | null> {
  const slug = collection as CollectionSlug
  const request = req ? { req } : {}
  if (hasDrafts(configOf(payload, collection))) {
    const where = { parent: { equals: id } }
    const { docs } = await payload.db.queryDrafts({
      collection: slug, limit: 1, pagination: false, where, ...request,
    })
    if (docs[0]) return docs[0] as StoredDocument
  }
  const where = { id: { equals: id } }
  return await payload.db.findOne<StoredDocument>({ collection: slug, where, ...request })
}

/**
 * Write `next` into one locale if it still has the fields in `seen`. False if somebody was faster.
 * Nothing else of the document is written, so no other edit can be lost.
 */
export async function writeIfUnchanged(
  place: Place, seen: AltState, next: AltState,
): Promise<boolean> {
  const { payload, collection } = place
  // The versions of a document are in further tables, which only Payload itself writes.
  const isPlain = 'drizzle' in payload.db && !configOf(payload, collection).versions
  return isPlain ? await updateRow(place, seen, next) : await updateDocument(place, seen, next)
}

/** One UPDATE with the condition in it. */
async function updateRow(place: Place, seen: AltState, next: AltState): Promise<boolean> {
  const { payload, collection, id, locale } = place
  const adapter = payload.db as unknown as SqlAdapter
  const main = adapter.tableNameMap.get(snakeCase(collection)) ?? snakeCase(collection)
  const name = locale === undefined ? main : `${main}${adapter.localesSuffix}`
  const table = adapter.tables[name]
  if (!table) throw new Error(`there is no table ${name}`)
  const { and, eq, isNull, or } = operators(adapter, main)
  const same = ALT_NAMES.map((field) => {
    const value = field === 'alt' ? blankToNull(seen.alt) : (seen[field] ?? null)
    if (value !== null) return eq(table[field], value)
    const isMissing = isNull(table[field])
    return field === 'alt' ? or(isMissing, eq(table[field], ''), eq(table[field], seen.alt ?? '')) : isMissing
  })
  const row = locale === undefined
    ? [eq(table.id, id)]
    : [eq(table._parentID, id), eq(table._locale, locale)]
  const changed = await adapter.drizzle.update(table).set(next).where(and(...row, ...same)).returning()
  let isWritten = changed.length > 0
  if (!isWritten && locale !== undefined && Object.values(seen).every((value) => value == null)) {
    const values = { ...next, _parentID: id, _locale: locale }
    const added = await adapter.drizzle.insert(table).values(values).onConflictDoNothing().returning()
    isWritten = added.length > 0
  }
  if (isWritten) await announce(place)
  return isWritten
}

/** Runs the site's afterChange hooks, which for instance make pages anew. */
async function announce({ payload, collection, id, locale }: Place): Promise<void> {
  const slug = collection as CollectionSlug
  const config = configOf(payload, collection)
  const context = { skipAlt: true }
  try {
    const data = { updatedAt: new Date().toISOString() }
    await payload.db.updateOne({ collection: slug, id, data, returning: false })
    const hooks = config.hooks.afterChange ?? []
    if (hooks.length < 2) return
    const req = await createLocalReq({ context, ...(locale === undefined ? {} : { locale }) }, payload)
    const doc = await payload.findByID({ collection: slug, id, depth: 0, req })
    for (const hook of hooks) {
      await hook({
        collection: config, context: req.context, data: doc, doc, operation: 'update',
        overrideAccess: true, previousDoc: doc, req,
      })
    }
  } catch (error) {
    payload.logger.error({ err: error, msg: `a hook of ${collection} failed after a caption` })
  }
}

/** For collections with versions and for MongoDB: Payload's own update, behind a row lock. */
async function updateDocument(place: Place, seen: AltState, next: AltState): Promise<boolean> {
  const { payload, collection, id, locale } = place
  const slug = collection as CollectionSlug
  const context = { skipAlt: true }
  const req = await createLocalReq({ context, ...(locale === undefined ? {} : { locale }) }, payload)
  const ownsTransaction = await initTransaction(req)
  try {
    const data = { updatedAt: new Date().toISOString() }
    await payload.db.updateOne({ collection: slug, id, data, req, returning: false })
    const doc = await readDocument(payload, collection, id, req)
    if (!doc || !isSame(stateOf(doc, locale), seen)) {
      await killTransaction(req)
      return false
    }
    const draft = hasDrafts(configOf(payload, collection)) && isDraft(doc)
    await payload.update({ collection: slug, id, data: next as object, depth: 0, draft, req })
    if (ownsTransaction) await commitTransaction(req)
    return true
  } catch (error) {
    await killTransaction(req)
    throw error
  }
}

function isSame(now: AltState, seen: AltState): boolean {
  return ALT_NAMES.every((name) => {
    if (name === 'alt') return blankToNull(now.alt) === blankToNull(seen.alt)
    return String(now[name] ?? '') === String(seen[name] ?? '')
  })
}

function hasDrafts(config: SanitizedCollectionConfig): boolean {
  return Boolean(config.versions && config.versions.drafts)
}

function isDraft(doc: StoredDocument): boolean {
  const words = doc._status && typeof doc._status === 'object' ? Object.values(doc._status) : [doc._status]
  return words.includes('draft')
}

/** Drizzle gives its operators to a query's `where`; the package itself need not be installed. */
function operators({ drizzle }: SqlAdapter, table: string): Operators {
  const found: Operators[] = []
  const where: WhereFunction = (_, all) => {
    found.push(all)
    return all.sql`1 = 0`
  }
  drizzle.query[table]?.findFirst({ where }).toSQL()
  if (!found[0]) throw new Error(`there is no table ${table}`)
  return found[0]
}

/** The name that Payload gives a collection's table. */
function snakeCase(slug: string): string {
  return slug.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_').toLowerCase()
}
