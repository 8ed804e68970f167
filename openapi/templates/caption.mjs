/**
 * Requests captions with fetch. One file without dependencies, for Node 18 or newer, Bun and Deno.
 *
 *     import { caption } from './caption.mjs'
 *
 *     const result = await caption('https://images.example.com/mug.jpg', { style: 'seo' })
 *     const alt = result.decorative ? '' : result.caption
 *
 * For use on a server: an API key must not be in a browser.
 */

/** Why there is no caption. Decide by `code`; `message` says what to do. */
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
    /** Code of the API (`caption_uncertain`, `rate_limited`); undefined without a response. */
    this.code = more.code
    /** The Retry-After of the response, in seconds. */
    this.retryAfterS = more.retryAfterS
    this.requestId = more.requestId
    /** Of `caption_rejected` only: the rejected draft, which a person may edit. */
    this.draft = more.draft
    /** Whether the same request may succeed later. */
    this.retryable = !more.status || [408, 429].includes(more.status) || more.status >= 500
  }
}

/**
 * Request one caption.
 *
 * @param {string | Uint8Array} image a URL, or the bytes of a file (up to 64 MiB)
 * @param {Record<string, unknown>} [fields] style, locale, context, role, keywords, max_tokens, metadata
 * @param {{ url?: string, key?: string, timeoutMs?: number, retries?: number }} [options]
 *   `timeoutMs` is for the whole call, retries and waits included
 * @returns {Promise<{ caption: string, decorative: boolean, locale: string, [more: string]: any }>}
 * @throws {NoCaption}
 */
export async function caption(image, fields = {}, options = {}) {
  const server = options.url ?? process.env.ALTWRIGHT_URL ?? 'http://127.0.0.1:8000'
  const key = options.key ?? process.env.ALTWRIGHT_API_KEY
  const deadline = Date.now() + (options.timeoutMs ?? 30_000)
  const isUrl = typeof image === 'string'
  const headers = isUrl ? { 'Content-Type': 'application/json' } : {}
  if (key) headers.Authorization = `Bearer ${key}`
  const body = isUrl ? JSON.stringify({ image_url: image, ...fields }) : createForm(image, fields)
  for (let left = options.retries ?? 2, waitMs = 500; ; left -= 1, waitMs *= 2) {
    try {
      return await request(`${server}/v1/image/caption`, headers, body, deadline - Date.now())
    } catch (error) {
      if (!error.retryable || left <= 0) throw error
      // At least the Retry-After of the server; without one, the backoff minus up to a quarter.
      const delayMs =
        error.retryAfterS === undefined
          ? waitMs * (1 - Math.random() / 4)
          : error.retryAfterS * 1000
      // Do not start a wait that ends after the deadline.
      if (Date.now() + delayMs >= deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
}

/** Lists are repeated fields; all but text is JSON. `fetch` writes the Content-Type itself. */
function createForm(file, fields) {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) {
      if (each !== undefined && each !== null) {
        form.append(name, typeof each === 'string' ? each : JSON.stringify(each))
      }
    }
  }
  form.append('image', new Blob([file]), 'image')
  return form
}

async function request(url, headers, body, leftMs) {
  let response
  let text
  try {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)))
    // Redirects are not followed: they would send the key and the image to another address.
    response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    text = await response.text()
  } catch (error) {
    const reason = error.cause?.code ?? error.name
    throw new NoCaption(`There was no response from ${new URL(url).host} (${reason}).`, { cause: error })
  }
  let data
  try {
    data = JSON.parse(text)
  } catch {
    const why =
      response.status === 413
        ? 'a proxy before it takes no request of this size (nginx: client_max_body_size)'
        : 'check the URL'
    data = { detail: `The response (${response.status}) is not from Altwright: ${why}.` }
  }
  if (response.status === 200 && typeof data.caption === 'string') return data
  const retryAfterS = Number.parseFloat(response.headers.get('retry-after') ?? '')
  throw new NoCaption(data.detail ?? `The response (${response.status}) is not a caption.`, {
    status: response.status,
    code: data.code,
    retryAfterS: Number.isFinite(retryAfterS) ? retryAfterS : undefined,
    requestId: data.request_id,
    draft: data.draft,
  })
}
