/**
 * Fills the blank alt texts of a collection. Words after the file's name, in any order:
 *
 *     npx payload run src/altwright/run-backfill.ts collection=media dry-run
 *     npx payload run src/altwright/run-backfill.ts collection=media only=en,de concurrency=4 limit=100
 */

import config from '@payload-config'
import { getPayload } from 'payload'

import { backfill } from './backfill'

const words = new Map(
  process.argv.slice(2).map((word): [string, string] => {
    const [name = '', value = ''] = word.split('=', 2)
    return [name, value]
  }),
)
const known = ['collection', 'only', 'style', 'concurrency', 'limit', 'dry-run']
const unknown = [...words.keys()].filter((word) => !known.includes(word))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}. Known: ${known.join(', ')}`)
  process.exit(2)
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

const payload = await getPayload({ config })
const limit = words.get('limit')
const only = words.get('only')
const style = words.get('style')
const summary = await backfill(payload, {
  collection: words.get('collection') || 'media',
  concurrency: Number(words.get('concurrency') || 4),
  dryRun: words.has('dry-run'),
  signal: stop.signal,
  ...(only ? { only: only.split(',') } : {}),
  ...(style ? { style } : {}),
  ...(limit ? { limit: Number(limit) } : {}),
})
console.log(JSON.stringify(summary))
await payload.destroy()
process.exit(summary.exitCode || (summary.unanswered > 0 ? 1 : 0))
