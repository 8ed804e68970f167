// Serves the site: Payload's REST API under /api, and its Local API to the tests under /local.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { type File, getPayload, handleEndpoints } from 'payload'

import config, { announced } from './payload.config'
import { backfill, type BackfillOptions } from './src/altwright'

const payload = await getPayload({ config })
const queue = 'altwright'

type Call = { method: string; args: Record<string, unknown> & { file?: File & { base64?: string } } }

async function call({ method, args }: Call): Promise<unknown> {
  if (args.file?.base64) {
    const data = Buffer.from(args.file.base64, 'base64')
    args.file = { mimetype: args.file.mimetype, name: args.file.name, data, size: data.length }
  }
  if (method === 'run') return await payload.jobs.run({ queue, limit: 20, silent: true })
  if (method === 'backfill') return await backfill(payload, args as unknown as BackfillOptions)
  if (method === 'announced') return announced
  if (method === 'clear') {
    announced.length = 0
    return await payload.db.deleteMany({ collection: 'payload-jobs', where: {} })
  }
  if (method === 'jobs') {
    return await payload.find({ collection: 'payload-jobs', pagination: false, where: args } as never)
  }
  if (method === 'due') {
    const data = { waitUntil: null }
    return await payload.update({ collection: 'payload-jobs', data, where: {} } as never)
  }
  const local = payload as unknown as Record<string, (args: object) => Promise<unknown>>
  return await local[method]!.call(payload, { depth: 0, ...args })
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/local') {
    const body = JSON.parse((await buffer(request)).toString()) as Call
    try {
      response.end(JSON.stringify({ result: (await call(body)) ?? null }))
    } catch (error) {
      response.end(JSON.stringify({ error: String(error), data: (error as { data?: unknown }).data }))
    }
    return
  }
  const headers = new Headers(request.headers as Record<string, string>)
  const hasBody = !['GET', 'HEAD'].includes(request.method ?? 'GET')
  const body = hasBody ? { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' } : {}
  const url = `http://127.0.0.1${request.url ?? '/'}`
  const init = { method: request.method ?? 'GET', headers, ...body }
  const answer = await handleEndpoints({ config, request: new Request(url, init) })
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  response.end(Buffer.from(await answer.arrayBuffer()))
}

const server = createServer((request, response) => {
  void handle(request, response).catch((error) => response.destroy(error as Error))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address && typeof address === 'object') console.log(`listening on ${address.port}`)
})
process.stdin.on('end', () => process.exit(0)).resume()
