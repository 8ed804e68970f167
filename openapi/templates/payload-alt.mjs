/**
 * Payload CMS 3: alt texts for an upload collection. Copy this file and caption.mjs beside it.
 *
 *     import { altFields, fillAlt } from './payload-alt.mjs'
 *
 *     export const Media = {
 *       slug: 'media',
 *       upload: true,
 *       fields: [...altFields],
 *       hooks: { beforeChange: [fillAlt({ style: 'concise' })] },
 *     }
 *
 * A `beforeChange` hook, because there the uploaded bytes are at hand (nothing has to be public yet)
 * and the text is saved together with the file: no second write that could meet a person's. The
 * upload waits for its caption, at most `timeoutMs`; where there is none it is saved without.
 *
 * What a person wrote is never touched: a text that was typed, changed, emptied or reviewed, and one
 * that was there before these fields were. What the machine wrote goes when its picture goes.
 *
 * On a site with several locales each has its own four fields, and an upload fills those of the
 * locale it was made in. Read them with `fallbackLocale: false` (REST: `fallback-locale=none`):
 * Payload shows the default locale's date in the place of an empty one otherwise.
 */

import { readFile } from 'node:fs/promises'

import { caption } from './caption.mjs'

const MACHINE = 'altwright'
const PERSON = 'person'
const MOST_BYTES = 5_632 * 1024 // in base64 7.3 MiB: the server takes bodies of 8
const SHRUNK_FROM_BYTES = 1024 * 1024
const LONGEST_EDGE_PX = 1200 // what a model is shown; more would be sent for nothing

const readOnly = { readOnly: true, position: 'sidebar' }

/** The four fields, one set for each locale where the site has several. */
export const altFields = [
  { name: 'alt', type: 'text', localized: true },
  {
    name: 'altSource', type: 'select', options: [MACHINE, PERSON], localized: true, admin: readOnly,
  },
  { name: 'altLocale', type: 'text', localized: true, admin: readOnly },
  // A person who finds the text right sets the date: from then on it is theirs.
  { name: 'altReviewedAt', type: 'date', localized: true, admin: { position: 'sidebar' } },
]

/**
 * The hook.
 *
 * @param {object} [options]
 * @param {string} [options.style] `concise` is alt text
 * @param {string} [options.locale] where the site has no locales
 * @param {number} [options.timeoutMs] how long an upload may wait
 * @param {(args: object) => object} [options.fields] more fields of the request, from the hook's own
 *   arguments: `({ data }) => ({ context: data.credit })`
 * @param {string} [options.url] by default ALTWRIGHT_URL
 * @param {string} [options.key] by default ALTWRIGHT_API_KEY
 * @returns {import('payload').CollectionBeforeChangeHook}
 */
export function fillAlt({
  style = 'concise', locale = 'en', timeoutMs = 20_000, fields = () => ({}), url, key,
} = {}) {
  return async (args) => {
    const { context, data, originalDoc, req } = args
    // Imports set the fields themselves; `context: { skipAlt: true }` is for all others.
    if (context?.skipAlt || req.locale === 'all') return data
    const written = (req.locale ?? locale).replaceAll('_', '-')
    if (wasTyped(data, originalDoc)) return { ...data, ...byPerson(data, written) }
    if (!req.file || belongsToPerson(data, originalDoc)) return data
    // The old text is about the old picture: without a new one there is none.
    const none = { alt: null, altSource: null, altLocale: null, altReviewedAt: null }
    try {
      const picture = await pictureOf(req)
      if (picture === null) return { ...data, ...none }
      const told = await caption(
        picture, { style, locale: written, ...fields(args) }, { timeoutMs, url, key },
      )
      const alt = told.decorative ? '' : told.caption
      return { ...data, ...none, alt, altSource: MACHINE, altLocale: told.locale }
    } catch (error) {
      // An upload must not fail for want of a caption: alt and altSource stay empty, so that a
      // list of them is what a person has to look at.
      req.payload.logger.warn(`no alt text for ${req.file.name}: ${error.message}`)
      return { ...data, ...none }
    }
  }
}

/** Whether this save changes the text, and nobody says that a program did. */
function wasTyped(data, originalDoc) {
  const changed = (name) =>
    name in data && (data[name] ?? '') !== (originalDoc?.[name] ?? '')
  return changed('alt') && !changed('altSource')
}

function byPerson(data, locale) {
  return {
    altSource: PERSON,
    altLocale: locale,
    altReviewedAt: new Date().toISOString(),
  }
}

/** A text of unknown origin counts as a person's; so does a machine's that was reviewed. */
function belongsToPerson(data, originalDoc) {
  const saved = { ...originalDoc, ...data }
  if (saved.altReviewedAt || saved.altSource === PERSON) return true
  return Boolean(saved.alt) && saved.altSource !== MACHINE
}

/** The bytes that were uploaded with this save, small enough to send; null for what is no picture. */
async function pictureOf({ file, payload }) {
  if (!file.mimetype?.startsWith('image/') || file.mimetype === 'image/svg+xml') return null
  // With `upload.useTempFiles` the bytes are in a file and `data` is empty.
  const bytes = file.tempFilePath ? await readFile(file.tempFilePath) : file.data
  const { sharp } = payload.config
  if (bytes.length > SHRUNK_FROM_BYTES && sharp) {
    const size = { width: LONGEST_EDGE_PX, height: LONGEST_EDGE_PX }
    return sharp(bytes).rotate().resize({ ...size, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: 'white' }).jpeg({ quality: 88 }).toBuffer()
  }
  if (bytes.length <= MOST_BYTES) return bytes
  throw new Error("it is too large to send; give Payload's config `sharp`, which shrinks it")
}
