/**
 * Payload CMS 3: alt texts for an upload collection. Copy this file, and caption.mjs beside it.
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
 * It is a `beforeChange` hook, because that has the uploaded bytes (the file need not be public yet)
 * and saves the text together with the file: a second write could overwrite a person's. The upload
 * waits for its caption, at most `timeoutMs`; without a caption it is saved without an alt text.
 *
 * A person's text is never changed: one that was typed, changed, emptied or reviewed, or that is older
 * than these fields. A machine's text is removed when its image is replaced.
 *
 * On a site with several locales each locale has its own four fields, and an upload fills those of
 * its locale. Read them with `fallbackLocale: false` (REST: `fallback-locale=none`): otherwise Payload
 * returns the default locale's date in place of an empty one.
 */

import { readFile } from 'node:fs/promises'

import { caption } from './caption.mjs'

const MACHINE = 'altwright'
const PERSON = 'person'
const MAX_BYTES = 5_632 * 1024 // 7.3 MiB in base64; the server accepts bodies of 8 MiB
const SHRINK_FROM_BYTES = 1024 * 1024
const LONGEST_EDGE_PX = 1200 // the server shows the model no larger image

const readOnly = { readOnly: true, position: 'sidebar' }

/** The four fields, one set per locale. */
export const altFields = [
  { name: 'alt', type: 'text', localized: true },
  {
    name: 'altSource', type: 'select', options: [MACHINE, PERSON], localized: true, admin: readOnly,
  },
  { name: 'altLocale', type: 'text', localized: true, admin: readOnly },
  // A person who has checked the text sets the date; from then on the text counts as theirs.
  { name: 'altReviewedAt', type: 'date', localized: true, admin: { position: 'sidebar' } },
]

/**
 * Creates the hook.
 *
 * @param {object} [options]
 * @param {string} [options.style] `concise` is for alt texts
 * @param {string} [options.locale] for a site without locales
 * @param {number} [options.timeoutMs] how long an upload may wait
 * @param {(args: object) => object} [options.fields] more fields of the request, from the hook's
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
    // An import sets the fields itself; others can set `context: { skipAlt: true }`.
    if (context?.skipAlt || req.locale === 'all') return data
    const textLocale = (req.locale ?? locale).replaceAll('_', '-')
    if (wasTyped(data, originalDoc)) return { ...data, ...personsFields(textLocale) }
    if (!req.file || belongsToPerson(data, originalDoc)) return data
    // The old text describes the old image: it is removed even if there is no new one.
    const empty = { alt: null, altSource: null, altLocale: null, altReviewedAt: null }
    try {
      const image = await readImage(req)
      if (image === null) return { ...data, ...empty }
      const result = await caption(
        image, { style, locale: textLocale, ...fields(args) }, { timeoutMs, url, key },
      )
      const alt = result.decorative ? '' : result.caption
      return { ...data, ...empty, alt, altSource: MACHINE, altLocale: result.locale }
    } catch (error) {
      // An upload must not fail because it has no caption. alt and altSource stay empty, so that a
      // person can list and fill them.
      req.payload.logger.warn(`no alt text for ${req.file.name}: ${error.message}`)
      return { ...data, ...empty }
    }
  }
}

/** Whether this save changes the text without saying that a program did. */
function wasTyped(data, originalDoc) {
  const changed = (name) =>
    name in data && (data[name] ?? '') !== (originalDoc?.[name] ?? '')
  return changed('alt') && !changed('altSource')
}

function personsFields(locale) {
  return {
    altSource: PERSON,
    altLocale: locale,
    altReviewedAt: new Date().toISOString(),
  }
}

/** A text of unknown origin, and a reviewed text of a machine, count as a person's. */
function belongsToPerson(data, originalDoc) {
  const saved = { ...originalDoc, ...data }
  if (saved.altReviewedAt || saved.altSource === PERSON) return true
  return Boolean(saved.alt) && saved.altSource !== MACHINE
}

/** The uploaded bytes, small enough to send; null if the upload is not an image. */
async function readImage({ file, payload }) {
  if (!file.mimetype?.startsWith('image/') || file.mimetype === 'image/svg+xml') return null
  // With `upload.useTempFiles` the bytes are in a temporary file, and `data` is empty.
  const bytes = file.tempFilePath ? await readFile(file.tempFilePath) : file.data
  const { sharp } = payload.config
  if (bytes.length > SHRINK_FROM_BYTES && sharp) {
    const size = { width: LONGEST_EDGE_PX, height: LONGEST_EDGE_PX }
    return sharp(bytes).rotate().resize({ ...size, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: 'white' }).jpeg({ quality: 88 }).toBuffer()
  }
  if (bytes.length <= MAX_BYTES) return bytes
  throw new Error("it is too large to send; add `sharp` to Payload's config, which shrinks it")
}
