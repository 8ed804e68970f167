/**
 * Captions with fetch, in one file without dependencies (Node 18 or newer, Bun, Deno). Copy it.
 *
 *     import { caption } from './caption.mjs'
 *
 *     const told = await caption('https://images.example.com/mug.jpg', { style: 'seo' })
 *     const alt = told.decorative ? '' : told.caption
 *
 * For servers: a key does not belong in a browser.
 */

/** Why there is no caption. Decide by `code`; `message` is a sentence that says what to mend. */
export class NoCaption extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: string, retryAfterS?: number, requestId?: string,
   *   draft?: string, cause?: unknown }} more
   */
  constructor(message, { cause, ...more } = {}) {
    super(message, { cause })
    this.name = 'NoCaption'
    this.status = more.status
    /** The contract's code (`caption_uncertain`, `rate_limited`); none where nobody answered. */
    this.code = more.code
    /** Seconds that the server asked to be left alone for. */
    this.retryAfterS = more.retryAfterS
    this.requestId = more.requestId
    /** `caption_rejected` only: what a person may start from. */
    this.draft = more.draft
    /** Whether the same may succeed later. */
    this.retryable = !more.status || [408, 429].includes(more.status) || more.status >= 500
  }
}

/**
 * One caption.
 *
 * @param {string | Uint8Array} image a URL, or a file's bytes (up to 5.5 MiB)
 * @param {Record<string, unknown>} [fields] style, locale, context, role, keywords, max_tokens, metadata
 * @param {{ url?: string, key?: string, timeoutMs?: number, retries?: number }} [options]
 *   `timeoutMs` is for everything together, retries and waits included
 * @returns {Promise<{ caption: string, decorative: boolean, locale: string, [more: string]: any }>}
 * @throws {NoCaption}
 */
export async function caption(image, fields = {}, options = {}) {
  const server = options.url ?? process.env.ALTWRIGHT_URL ?? 'http://127.0.0.1:8000'
  const key = options.key ?? process.env.ALTWRIGHT_API_KEY
  const until = Date.now() + (options.timeoutMs ?? 30_000)
  const headers = { 'Content-Type': 'application/json' }
  if (key) headers.Authorization = `Bearer ${key}`
  // The server looks at the bytes: the type need not be right.
  const imageUrl =
    typeof image === 'string'
      ? image
      : `data:image/jpeg;base64,${Buffer.from(image).toString('base64')}`
  const body = JSON.stringify({ image_url: imageUrl, ...fields })
  for (let left = options.retries ?? 2, waitMs = 500; ; left -= 1, waitMs *= 2) {
    try {
      return await once(`${server}/v1/image/caption`, headers, body, until - Date.now())
    } catch (error) {
      if (!error.retryable || left <= 0) throw error
      // Never less than the server asks for; up to a quarter off where it asks for nothing.
      const nextMs =
        error.retryAfterS === undefined
          ? waitMs * (1 - Math.random() / 4)
          : error.retryAfterS * 1000
      // A wait that outlives the caller's patience is not begun.
      if (Date.now() + nextMs >= until) throw error
      await new Promise((resolve) => setTimeout(resolve, nextMs))
    }
  }
}

async function once(url, headers, body, leftMs) {
  let answer
  let told
  try {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)))
    // A redirect would take the key and the picture to wherever it says.
    answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    told = await answer.text()
  } catch (error) {
    const reason = error.cause?.code ?? error.name
    throw new NoCaption(`There was no answer from ${new URL(url).host} (${reason}).`, { cause: error })
  }
  let data
  try {
    data = JSON.parse(told)
  } catch {
    data = { detail: `The answer (${answer.status}) is not Altwright's: look at the address.` }
  }
  if (answer.status === 200 && typeof data.caption === 'string') return data
  const asked = Number.parseFloat(answer.headers.get('retry-after') ?? '')
  throw new NoCaption(data.detail ?? `The answer (${answer.status}) is no caption.`, {
    status: answer.status,
    code: data.code,
    retryAfterS: Number.isFinite(asked) ? asked : undefined,
    requestId: data.request_id,
    draft: data.draft,
  })
}
