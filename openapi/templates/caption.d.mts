/** Types of caption.mjs, for TypeScript. */

export class NoCaption extends Error {
  status?: number
  code?: string
  retryAfterS?: number
  requestId?: string
  draft?: string
  retryable: boolean
}

export interface Caption {
  caption: string
  decorative: boolean
  locale: string
  model: string
  [more: string]: unknown
}

export interface CaptionOptions {
  url?: string
  key?: string
  timeoutMs?: number
  retries?: number
}

export function caption(
  image: string | Uint8Array,
  fields?: Record<string, unknown>,
  options?: CaptionOptions,
): Promise<Caption>
