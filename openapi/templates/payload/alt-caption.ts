/** Asks the server for one locale's text. The answer becomes the fields that are stored. */

import { configOf, type Place, type StoredDocument } from './alt-documents'
import type { AltSource, AltState } from './alt-fields'
import { tag } from './alt-hooks'
import { readImage } from './alt-image'
import type { AltOptions } from './alt-options'
import { stamp } from './alt-rules'
import { caption, NoCaption } from './caption.mjs'

const FINAL_WORDS: Readonly<Record<string, AltSource>> = {
  caption_uncertain: 'uncertain', caption_refused: 'rejected', caption_rejected: 'rejected',
}
/** A wrong key or URL is no picture's fault: such documents go on waiting. */
const WRONG_SET_UP = [401, 403, 404, 405]

/** The fields for a text, or for a final problem. Throws if a later attempt may succeed. */
export async function requestState(
  { payload, collection, locale }: Place, doc: StoredDocument, options: AltOptions, retries = 0,
): Promise<AltState> {
  const picture = String(doc.altImage ?? '')
  const { url, key, timeoutMs, style } = options
  try {
    const image = await readImage(payload, configOf(payload, collection), doc)
    const fields = { style, locale: tag(locale ?? options.locale), ...options.fields(doc) }
    const result = await caption(image, fields, {
      timeoutMs, retries, ...(url ? { url } : {}), ...(key ? { key } : {}),
    })
    const source = result.decorative ? 'decorative' : 'ai'
    const text = result.decorative ? null : result.caption
    return {
      ...stateWithout(picture, source, null),
      alt: text ?? '',
      altLocale: result.locale,
      altModel: result.model,
      altStamp: stamp(picture, source, text),
    }
  } catch (error) {
    if (!(error instanceof NoCaption) || isTemporary(error)) throw error
    const source = FINAL_WORDS[error.code ?? ''] ?? 'failed'
    return stateWithout(picture, source, `${error.code ?? error.status}: ${error.message}`)
  }
}

/** The fields after the last attempt; null where the set-up is wrong. */
export function failedState(error: unknown, picture: string): AltState | null {
  if (error instanceof NoCaption && isWrongSetUp(error)) return null
  const code = error instanceof NoCaption ? (error.code ?? error.status ?? 'no_answer') : 'no_image'
  return stateWithout(picture, 'failed', `${code}: ${error instanceof Error ? error.message : ''}`)
}

export function isWrongSetUp({ status }: NoCaption): boolean {
  return WRONG_SET_UP.includes(status ?? 0)
}

function isTemporary(error: NoCaption): boolean {
  return error.retryable || isWrongSetUp(error) || !error.code
}

function stateWithout(picture: string, source: AltSource, reasons: string | null): AltState {
  return {
    alt: null, altSource: source, altLocale: null, altModel: null, altReviewedAt: null,
    altReasons: reasons, altStamp: stamp(picture, source, null),
  }
}
