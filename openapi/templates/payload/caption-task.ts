/** The job that asks for the captions of one document. It runs after the upload was committed. */

import type { CollectionSlug, Payload, PayloadRequest, TaskConfig } from 'payload'

import { failedState, requestState } from './alt-caption'
import { type DocumentId, localesOf, type Place, readDocument, writeIfUnchanged } from './alt-documents'
import type { AltState } from './alt-fields'
import { stateOf } from './alt-hooks'
import type { AltOptions } from './alt-options'
import { isOfPicture, isPending } from './alt-rules'
import { NoCaption } from './caption.mjs'

export const TASK = 'altwrightCaption'
/** Writes of one text: a save of other fields replaces the row between reading and writing. */
const WRITES = 3

export interface CaptionJob {
  collection: CollectionSlug
  id: DocumentId
  /** `altImage` when it was queued: another picture has another job. */
  picture: string
}

interface Task {
  input: CaptionJob
  output: { written: number }
}

/** Queues a job in the transaction of `req`: it exists if and only if the upload is committed. */
export async function queueCaption(
  req: PayloadRequest, { notBefore, ...input }: CaptionJob & { notBefore?: Date }, { queue }: AltOptions,
): Promise<void> {
  await req.payload.jobs.queue({
    task: TASK as never,
    input: input as never,
    queue,
    req,
    ...(notBefore ? { waitUntil: notBefore } : {}),
  })
}

export function captionTask(options: AltOptions): TaskConfig<Task> {
  const delay = options.retryDelayMs
  return {
    slug: TASK,
    label: 'Alt texts',
    inputSchema: [
      { name: 'collection', type: 'text', required: true },
      { name: 'id', type: 'json', required: true },
      { name: 'picture', type: 'text', required: true },
    ],
    outputSchema: [{ name: 'written', type: 'number', required: true }],
    retries: { attempts: options.attempts - 1, backoff: { type: 'exponential', delay } },
    handler: async ({ input, job, req }) => {
      const tried = job.taskStatus?.[TASK]?.['1']?.totalTried ?? 0
      const isLast = Number(tried) >= options.attempts - 1
      try {
        return { output: { written: await captionDocument(req.payload, input, isLast, options) } }
      } catch (error) {
        // Payload keeps a waitUntil that is later than its own backoff.
        if (error instanceof NoCaption && error.retryAfterS) {
          job.waitUntil = new Date(Date.now() + error.retryAfterS * 1000).toISOString()
        }
        throw error
      }
    },
  }
}

/** Captions every locale that waits. Throws if a later attempt may succeed. */
async function captionDocument(
  payload: Payload, { collection, id, picture }: CaptionJob, isLast: boolean, options: AltOptions,
): Promise<number> {
  let written = 0
  let problem: unknown
  for (const locale of localesOf(payload, collection)) {
    const doc = await readDocument(payload, collection, id)
    const seen = doc ? stateOf(doc, locale) : {}
    // Written or replaced in the meantime: nothing is asked.
    if (!doc || !isPending(seen) || !isOfPicture(seen, picture)) continue
    const place = { payload, collection, id, locale }
    try {
      const next = await requestState(place, doc, options)
      if (await writeWhilePending(place, seen, next)) written += 1
    } catch (error) {
      problem ??= error
      const next = isLast ? failedState(error, picture) : null
      if (next) await writeWhilePending(place, seen, next)
    }
  }
  if (problem) throw problem
  return written
}

async function writeWhilePending(place: Place, seen: AltState, next: AltState): Promise<boolean> {
  for (let left = WRITES; left > 0; left -= 1) {
    if (await writeIfUnchanged(place, seen, next)) return true
    const doc = await readDocument(place.payload, place.collection, place.id)
    const now = doc ? stateOf(doc, place.locale) : {}
    if (!isPending(now) || now.altStamp !== seen.altStamp) return false
  }
  return false
}
