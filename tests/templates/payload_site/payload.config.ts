// A site with the template, as its README installs it. The environment names the database.
import { mkdirSync } from 'node:fs'
import path from 'node:path'

import { postgresAdapter } from '@payloadcms/db-postgres'
import { sqliteAdapter } from '@payloadcms/db-sqlite'
import { buildConfig, type CollectionConfig } from 'payload'
import sharp from 'sharp'

import { altTexts } from './src/altwright'

const url = process.env.DATABASE_URL ?? 'file:site.db'
const folder = path.resolve('uploads')
mkdirSync(folder, { recursive: true })

function collection(
  slug: string, upload: object, more: Partial<CollectionConfig> = {},
): CollectionConfig {
  const open = () => true
  return {
    slug,
    access: { create: open, delete: open, read: open, update: open },
    upload: { staticDir: path.join(folder, slug), ...upload },
    ...more,
    fields: [{ name: 'credit', type: 'text' }, ...(more.fields ?? [])],
  }
}

/** What an upload "to a storage" left behind. */
const storage = new Map<string, Uint8Array<ArrayBuffer>>()
export const announced: string[] = []

export default buildConfig({
  secret: 'for tests',
  telemetry: false,
  sharp,
  localization: process.env.ONE_LANGUAGE
    ? false
    : { locales: ['en', 'de', 'fr'], defaultLocale: 'en', fallback: true },
  db: url.startsWith('postgres')
    ? postgresAdapter({ pool: { connectionString: url, max: 5 } })
    : sqliteAdapter({ client: { url }, busyTimeout: 5000 }),
  collections: [
    collection('media', { imageSizes: [{ name: 'thumbnail', width: 40, height: 40 }] }, {
      hooks: { afterChange: [({ doc }) => void announced.push(`${doc.id}`)] },
    }),
    collection('plainMedia', {}, {
      fields: [{
        type: 'row',
        fields: [{ name: 'alt', type: 'text', defaultValue: 'Image' }],
      }],
    }),
    collection('drafts', {}, { versions: { drafts: true } }),
    collection('converted', { formatOptions: { format: 'webp', options: { quality: 60 } } }),
    collection('stored', {
      disableLocalStorage: true,
      handlers: [
        (_req: unknown, { params }: { params: { filename: string } }) =>
          new Response(storage.get(params.filename)),
      ],
    }, {
      hooks: {
        beforeChange: [({ data, req }) => {
          if (req.file) storage.set(data.filename, new Uint8Array(req.file.data))
        }],
      },
    }),
  ],
  plugins: [
    altTexts({
      collections: ['media', 'plainMedia', 'drafts', 'converted', 'stored'],
      fields: ({ credit }) => (credit ? { context: String(credit) } : {}),
      attempts: 3,
      retryDelayMs: 50,
      autoRun: false,
    }),
  ],
})
