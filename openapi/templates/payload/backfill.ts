/**
 * Fills blank alt texts of documents that are older than the plugin, or whose job was lost, through
 * Payload's Local API: every locale of every document.
 *
 * A person's text is never overwritten. The state of each document is in the document, so a run
 * that was stopped goes on when it is started again.
 */

import type { CollectionSlug, Payload, Where } from 'payload'

import { failedState, isWrongSetUp, requestState } from './alt-caption'
import {
  configOf, localesOf, type Place, readDocument, type StoredDocument, writeIfUnchanged,
} from './alt-documents'
import type { AltState } from './alt-fields'
import { defaultsOf, isCaptionable, stateOf } from './alt-hooks'
import { readBytes } from './alt-image'
import { type AltOptions, DEFAULTS } from './alt-options'
import { digest, isFillable, isPending, withoutDefaults } from './alt-rules'
import { NoCaption } from './caption.mjs'

export interface BackfillOptions extends Partial<AltOptions> {
  /** Slug of the collection. */
  collection: string
  /** The locales to fill; by default all of the site. */
  only?: string[]
  /** Requests at once. */
  concurrency?: number
  /** At most so many requests, for a pilot. */
  limit?: number
  /** Count what would be asked, and ask nothing. */
  dryRun?: boolean
  /** A document that waits since less than this has a job of its own. */
  pendingMs?: number
  /** Aborted: what is in flight is finished, nothing new begins. */
  signal?: AbortSignal
}

export interface BackfillSummary {
  documents: number
  /** Texts that were asked for; in a dry run, that would be. */
  asked: number
  /** By the word that was written. */
  written: Record<string, number>
  /** Texts that stay as they are, by their word; `text` is one of unknown origin. */
  kept: Record<string, number>
  /** Documents whose job is due. */
  waiting: number
  /** Somebody else wrote while the server was asked. */
  overtaken: number
  /** No answer; the next run asks again. */
  unanswered: number
  /** 0, or as `altwright backfill` ends: 75 (come back later) or 77 (the key or URL is wrong). */
  exitCode: number
}

const RETRIES = 4
/** The server is away, and not one picture's fault. */
const MAX_UNANSWERED_IN_A_ROW = 8

interface Run {
  payload: Payload
  options: AltOptions & BackfillOptions
  summary: BackfillSummary
  unansweredInARow: number
}

export async function backfill(payload: Payload, given: BackfillOptions): Promise<BackfillSummary> {
  const installed = payload.config.custom.altwright as AltOptions | undefined
  const run: Run = {
    payload,
    options: { ...DEFAULTS, ...installed, timeoutMs: 300_000, ...given },
    summary: {
      documents: 0, asked: 0, written: {}, kept: {}, waiting: 0, overtaken: 0, unanswered: 0,
      exitCode: 0,
    },
    unansweredInARow: 0,
  }
  const ids = (await findImages(payload, given.collection))[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = ids.next(); !next.done && !isStopped(run); next = ids.next()) {
      await fillDocument(run, next.value)
    }
  }
  await Promise.all(Array.from({ length: given.concurrency ?? 4 }, worker))
  return run.summary
}

async function findImages(payload: Payload, collection: string): Promise<StoredDocument['id'][]> {
  const { docs } = await payload.find({
    collection: collection as CollectionSlug,
    depth: 0,
    pagination: false,
    select: { mimeType: true } as never,
    sort: 'id',
    where: { mimeType: { like: 'image/' } } satisfies Where,
  })
  return docs.map(({ id }) => id)
}

function isStopped({ options, summary }: Run): boolean {
  const isDone = options.limit !== undefined && summary.asked >= options.limit
  return isDone || summary.exitCode !== 0 || Boolean(options.signal?.aborted)
}

async function fillDocument(run: Run, id: StoredDocument['id']): Promise<void> {
  const { payload, options, summary } = run
  const { collection, only } = options
  summary.documents += 1
  for (const locale of localesOf(payload, collection)) {
    if (isStopped(run) || (locale !== undefined && only && !only.includes(locale))) continue
    const doc = await readDocument(payload, collection, id)
    if (!doc || !isCaptionable(doc.mimeType)) return
    const seen = stateOf(doc, locale)
    const defaults = await defaultsOf(configOf(payload, collection), payload, locale)
    if (!isFillable(withoutDefaults(seen, defaults))) {
      count(summary.kept, seen.altSource ?? 'text')
    } else if (isPending(seen) && isYoung(doc, options.pendingMs ?? 10 * 60_000)) {
      summary.waiting += 1
    } else if (!isStopped(run)) {
      summary.asked += 1
      if (!options.dryRun) await fill(run, { payload, collection, id, locale }, doc, seen)
    }
  }
}

function isYoung(doc: StoredDocument, pendingMs: number): boolean {
  return Date.now() - new Date(String(doc.updatedAt)).getTime() < pendingMs
}

async function fill(run: Run, place: Place, doc: StoredDocument, seen: AltState): Promise<void> {
  const { options, summary } = run
  let next: AltState | null
  try {
    await rememberPicture(place, doc)
    next = await requestState(place, doc, options, RETRIES)
    run.unansweredInARow = 0
  } catch (error) {
    run.payload.logger.warn(`no alt text for ${place.collection} ${place.id}: ${String(error)}`)
    next = error instanceof NoCaption ? null : failedState(error, String(doc.altImage ?? ''))
    if (next === null) noteUnanswered(run, error as NoCaption)
  }
  if (next === null) return
  const isWritten = await writeIfUnchanged(place, seen, next)
  if (isWritten) count(summary.written, next.altSource ?? '')
  else summary.overtaken += 1
}

/**
 * A document that is older than the plugin has no digest of its upload. Where Payload stored the file
 * as it came, it is that of the file; then the same file, uploaded again, clears nothing.
 */
async function rememberPicture({ payload, collection, id }: Place, doc: StoredDocument): Promise<void> {
  const config = configOf(payload, collection)
  const { constructorOptions, formatOptions, resizeOptions, trimOptions } = config.upload
  const isConverted = constructorOptions || formatOptions || resizeOptions || trimOptions
  if (doc.altImage || isConverted || config.versions) return
  doc.altImage = digest(await readBytes(payload, config, doc))
  await payload.db.updateOne({
    collection: collection as CollectionSlug,
    data: { altImage: doc.altImage },
    returning: false,
    where: { and: [{ id: { equals: id } }, { altImage: { exists: false } }] },
  })
}

function noteUnanswered(run: Run, error: NoCaption): void {
  run.summary.unanswered += 1
  run.unansweredInARow += 1
  if (isWrongSetUp(error)) run.summary.exitCode = 77
  else if (run.unansweredInARow >= MAX_UNANSWERED_IN_A_ROW) run.summary.exitCode = 75
}

function count(counts: Record<string, number>, word: string): void {
  counts[word] = (counts[word] ?? 0) + 1
}
