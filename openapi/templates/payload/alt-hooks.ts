/** Hooks of an upload collection: they decide whose a text is, and queue captions. No network. */

import { createReadStream } from 'node:fs'
import { createHash, randomUUID } from 'node:crypto'
import path from 'node:path'

import {
  type CollectionAfterChangeHook, type CollectionAfterOperationHook,
  type CollectionBeforeChangeHook,
  type CollectionBeforeOperationHook, type CollectionSlug, createLocalReq, type FieldHook,
  type Payload, type PayloadRequest, type SanitizedCollectionConfig,
} from 'payload'

import { ALT_NAMES, type AltState } from './alt-fields'
import { digest, nextState, stateForNewPicture } from './alt-rules'
import { captionedLocales, type AltOptions } from './alt-options'
import { queueCaption } from './caption-task'

type Values = Record<string, unknown>

/** Where beforeOperation leaves the digest of an upload; Payload copies `file` with it. */
const DIGEST = '_altwrightDigest'
/** In the request's context: whether a program set `altSource`. */
const SOURCE_SENT = '_altwrightSourceSent'
/** When a document that still waits is saved again, a lost job is replaced after this time. */
const SECOND_JOB_MS = 10 * 60_000

/**
 * Takes the digest of an upload before Payload converts it, afterwards equal files differ; and looks
 * at what was sent before Payload completes it with stored and default values.
 */
export const lookAtCall: CollectionBeforeOperationHook = async ({ args, operation, req }) => {
  if (operation !== 'create' && operation !== 'update') return args
  const sent = 'data' in args ? (args.data as Values | undefined) : undefined
  if (sent) req.context[SOURCE_SENT] = isSentByProgram(sent)
  const { file } = req
  if (file) {
    Object.assign(file, { [DIGEST]: await digestOf(file) })
    if (!('overwriteExistingFiles' in args && args.overwriteExistingFiles)) reserveName(args, file)
  }
  return args
}

/** A form sends every field; a program that knows the source sends it and the text. */
function isSentByProgram(sent: Values): boolean {
  const isForm = 'altStamp' in sent || ('altLocale' in sent && 'altReviewedAt' in sent)
  return 'altSource' in sent && !isForm
}

async function digestOf(file: NonNullable<PayloadRequest['file']>): Promise<string> {
  if (file.tempFilePath) {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(file.tempFilePath)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  }
  // A browser that uploads to the storage itself sends no bytes: every such file is a new one.
  return digest(file.data.length > 0 ? file.data : `${file.name} ${Date.now()} ${Math.random()}`)
}

/** Names of uploads that are being saved, until this time in milliseconds. */
const reserved = new Map<string, number>()
const RESERVED_MS = 30_000
const RELEASE_MS = 1000
const RESERVED = '_altwrightReserved'

/**
 * Payload looks for a free name before it saves a file under it. Of two uploads of one name at once
 * the second one therefore failed; here it gets another name.
 */
function reserveName(
  args: { collection: { config: { slug: string } } }, file: NonNullable<PayloadRequest['file']>,
): void {
  const now = Date.now()
  for (const [key, until] of reserved) if (until < now) reserved.delete(key)
  const key = nameKey(args.collection.config.slug, file.name)
  if (reserved.has(key)) {
    const { ext, name } = path.parse(file.name)
    file.name = `${name}-${randomUUID().slice(0, 8)}${ext}`
  } else {
    reserved.set(key, now + RESERVED_MS)
    Object.assign(file, { [RESERVED]: key })
  }
}

function nameKey(collection: string, name: string): string {
  return `${collection}/${name.toLowerCase()}`
}

/** The name is free again: the file is on the disk. In a storage it is seen after the commit. */
export const releaseName: CollectionAfterOperationHook = ({ collection, req, result }) => {
  const key = (req.file as Values | undefined)?.[RESERVED]
  if (typeof key !== 'string') return result
  if (collection.upload.disableLocalStorage) reserved.set(key, Date.now() + RELEASE_MS)
  else reserved.delete(key)
  return result
}

/** Sets the fields of the locale that is saved. */
export function decideTexts(options: AltOptions): CollectionBeforeChangeHook {
  return async ({ collection, context, data, operation, originalDoc, req }) => {
    if (context.skipAlt) return data
    const original = (originalDoc ?? {}) as Values
    const stored = typeof original.altImage === 'string' ? original.altImage : ''
    if (context.isRestoringVersion) return data
    const picture = pictureAfter(req, operation, stored, original)
    const save = {
      picture,
      isNewPicture: picture !== stored,
      isImage: isCaptionable(data.mimeType ?? original.mimeType),
      defaults: await defaultsOf(collection, req.payload, req.locale, req),
      isSourceSent: context[SOURCE_SENT] === true,
      now: new Date(),
    }
    const next: Values = { ...data, altImage: picture || null }
    // Payload takes no values of all locales at once here. A text without a source is a person's.
    if (req.locale === 'all' && isLocalized(collection, req)) return next
    const locale = tag(isLocalized(collection, req) && req.locale ? req.locale : options.locale)
    const before = stateOf(original)
    return Object.assign(next, nextState({ ...save, before, sent: stateOf(data), locale }))
  }
}

/** Field hook: a new picture also changes the locales that the save does not show. */
export function clearOtherLocales(options: AltOptions): FieldHook {
  return ({ collection, context, data, operation, originalDoc, req, siblingDocWithLocales }) => {
    const isNew = data?.altImage && data.altImage !== (originalDoc?.altImage ?? null)
    if (!isNew || context.skipAlt || context.isRestoringVersion) return
    if (operation === 'create' && req.locale === 'all') return
    if (!collection || !isLocalized(collection, req) || !siblingDocWithLocales) return
    const isImage = isCaptionable(data.mimeType ?? originalDoc?.mimeType)
    const wanted = captionedLocales(options, localesOf(req), req.locale)
    for (const locale of localesOf(req)) {
      const before = stateOf(siblingDocWithLocales, locale)
      const isUsed = Object.values(before).some((value) => value != null)
      if (locale === req.locale || !(isUsed || wanted.includes(locale))) continue
      const picture = String(data.altImage)
      setState(siblingDocWithLocales, stateForNewPicture({ before, picture, isImage }), locale)
    }
  }
}

/** Queues the captions of a document that waits for them, in the same transaction. */
export function queueCaptions(options: AltOptions): CollectionAfterChangeHook {
  return async ({ collection, context, data, doc, operation, previousDoc, req }) => {
    // `data` is what was saved; `doc` may be without the fields, if the caller selects others.
    if (context.skipAlt || !data.altImage || !isCaptionable(data.mimeType)) return doc
    const isNew = operation === 'create' || data.altImage !== previousDoc?.altImage
    if (!isNew && !isPendingIn(data)) return doc
    const isAsked = isNew || !isPendingIn(previousDoc ?? {})
    await queueCaption(req, {
      collection: collection.slug as CollectionSlug,
      id: doc.id,
      picture: data.altImage,
      ...(isAsked ? {} : { notBefore: new Date(Date.now() + SECOND_JOB_MS) }),
    }, options)
    return doc
  }
}

function isPendingIn(doc: Values): boolean {
  const source = doc.altSource
  const words = source && typeof source === 'object' ? Object.values(source) : [source]
  return words.includes('pending')
}

/** Digest of the file after the save. A focal point is no new picture, a crop that cuts is one. */
function pictureAfter(
  req: PayloadRequest, operation: string, stored: string, original: Values,
): string {
  const file = req.file as (NonNullable<PayloadRequest['file']> & Values) | undefined
  let picture = stored
  if (file && typeof file[DIGEST] === 'string') picture = file[DIGEST]
  // Payload has fetched the file from a URL, or copied another document's.
  else if (file && operation === 'create' && !stored) picture = digest(file.data)
  const crop = cropOf(req, original)
  return crop ? digest(`${picture} ${crop}`) : picture
}

function cropOf(req: PayloadRequest, original: Values): string {
  const edits = req.query?.uploadEdits as Values | undefined
  const crop = edits?.crop as Record<string, unknown> | undefined
  if (!crop) return ''
  const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(crop[name]))
  const isWhole = x === 0 && y === 0 && width === 100 && height === 100
  const isSameSize =
    Number(edits?.widthInPixels) === original.width && Number(edits?.heightInPixels) === original.height
  return isWhole || isSameSize ? '' : [x, y, width, height].join(' ')
}

export function isCaptionable(mimeType: unknown): boolean {
  return typeof mimeType === 'string' && mimeType.startsWith('image/') &&
    !mimeType.startsWith('image/svg')
}

function isLocalized(collection: SanitizedCollectionConfig, req: PayloadRequest): boolean {
  const field = collection.flattenedFields.find(({ name }) => name === 'altSource')
  return Boolean(req.payload.config.localization && field && 'localized' in field && field.localized)
}

function localesOf(req: PayloadRequest): string[] {
  const { localization } = req.payload.config
  return localization ? localization.localeCodes : []
}

/** The language tag of one of the site's locales. */
export function tag(locale: string): string {
  return locale.replaceAll('_', '-')
}

/** The fields in `values`, or in one locale of them. */
export function stateOf(values: Values, locale?: string): AltState {
  const pairs = ALT_NAMES.map((name) => {
    const value = values[name]
    return [name, locale === undefined ? value : (value as Values | undefined | null)?.[locale]]
  })
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) as AltState
}

function setState(values: Values, state: AltState, locale: string): void {
  for (const name of ALT_NAMES) {
    const all = values[name] && typeof values[name] === 'object' ? values[name] : {}
    values[name] = { ...all, [locale]: state[name] ?? null }
  }
}

/** Default values of the collection's own `alt` and `altSource`. */
export async function defaultsOf(
  collection: SanitizedCollectionConfig, payload: Payload, locale?: string | null,
  given?: PayloadRequest,
): Promise<AltState> {
  const result: Record<string, unknown> = {}
  for (const field of collection.flattenedFields) {
    if (field.name !== 'alt' && field.name !== 'altSource') continue
    let value = 'defaultValue' in field ? (field.defaultValue as unknown) : undefined
    if (typeof value === 'function') {
      const req = given ?? (await createLocalReq(locale ? { locale } : {}, payload))
      value = await value({ locale: locale ?? undefined, req, user: req.user })
    }
    result[field.name] = value
  }
  return result as AltState
}
