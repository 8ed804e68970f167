/** Options of the plugin. */

export interface AltOptions {
  /** Slugs of the upload collections. */
  collections: string[]
  /** Style of the captions; `concise` is for alt texts. */
  style: string
  /** Language on a site without locales. */
  locale: string
  /**
   * On a site with locales, which get a caption after an upload: that of the upload (`upload`) and
   * those whose machine's text described the old picture, all, or a list.
   */
  locales: 'upload' | 'all' | string[]
  /** Further fields of the request, from the document: `(doc) => ({ context: doc.credit })`. */
  fields: (doc: Record<string, unknown>) => Record<string, unknown>
  /** The server; by default ALTWRIGHT_URL and ALTWRIGHT_API_KEY. */
  url?: string | undefined
  key?: string | undefined
  /** How long one request may take. The upload does not wait for it. */
  timeoutMs: number
  /** How often a caption is asked for before the document is `failed`. */
  attempts: number
  /** Wait before the second attempt, doubled each time; a Retry-After that is longer counts. */
  retryDelayMs: number
  /** Payload's queue of the jobs. */
  queue: string
  /** When a long-running server works on the queue; false where a cron job does. */
  autoRun: { cron: string; limit: number } | false
}

export const DEFAULTS: AltOptions = {
  collections: ['media'],
  style: 'concise',
  locale: 'en',
  locales: 'upload',
  fields: () => ({}),
  timeoutMs: 60_000,
  attempts: 8,
  retryDelayMs: 15_000,
  queue: 'altwright',
  autoRun: { cron: '*/10 * * * * *', limit: 4 },
}

/** The locales that are captioned after an upload in `uploaded`. */
export function captionedLocales(
  { locales }: AltOptions, all: string[], uploaded: string | null | undefined,
): string[] {
  if (locales === 'all') return all
  if (locales === 'upload') return uploaded ? [uploaded] : []
  return all.filter((each) => locales.includes(each))
}
