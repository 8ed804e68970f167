/** Reads a document's file, from the disk or from the storage, small enough to send. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { createLocalReq, type Payload, type SanitizedCollectionConfig } from 'payload'

import type { StoredDocument } from './alt-documents'

const MAX_BYTES = 64 * 1024 * 1024 // what the server takes by default
const SHRINK_FROM_BYTES = 700 * 1024 // proxies such as nginx take bodies of 1 MB by default
const LONGEST_EDGE_PX = 1200 // the server shows the model no larger image

/** Payload's image library, as far as it is needed. */
interface Sharp {
  rotate(): Sharp
  resize(size: object): Sharp
  flatten(options: object): Sharp
  jpeg(options: object): Sharp
  toBuffer(): Promise<Buffer>
}

export async function readImage(
  payload: Payload, config: SanitizedCollectionConfig, doc: StoredDocument,
): Promise<Uint8Array> {
  const bytes = await readBytes(payload, config, doc)
  const sharp = payload.config.sharp as unknown as ((data: Uint8Array) => Sharp) | undefined
  if (bytes.length > SHRINK_FROM_BYTES && sharp) {
    const size = { width: LONGEST_EDGE_PX, height: LONGEST_EDGE_PX }
    return await sharp(bytes).rotate().resize({ ...size, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: 'white' }).jpeg({ quality: 88 }).toBuffer()
  }
  if (bytes.length <= MAX_BYTES) return bytes
  throw new Error("the file is too large to send; add `sharp` to Payload's config, which shrinks it")
}

/** The stored file. */
export async function readBytes(
  payload: Payload, config: SanitizedCollectionConfig, doc: StoredDocument,
): Promise<Uint8Array> {
  const { upload } = config
  const filename = String(doc.filename ?? '')
  if (!filename) throw new Error('the document has no file')
  // Storage plugins (S3, GCS, …) serve their files through such handlers.
  const req = await createLocalReq({}, payload)
  const params = { collection: config.slug, filename, ...(doc.prefix ? { prefix: String(doc.prefix) } : {}) }
  for (const handler of upload.handlers ?? []) {
    const response = await handler(req, { doc: doc as never, params })
    if (response instanceof Response) return await bytesOf(response)
  }
  if (!upload.disableLocalStorage) {
    return await readFile(path.resolve(upload.staticDir ?? config.slug, path.basename(filename)))
  }
  const url = new URL(String(doc.url), payload.config.serverURL || undefined)
  return await bytesOf(await fetch(url))
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  if (!response.ok) throw new Error(`the storage says ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}
