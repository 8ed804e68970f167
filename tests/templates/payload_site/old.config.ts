// The site with the fields of the template's first version.
import { postgresAdapter } from '@payloadcms/db-postgres'
import { sqliteAdapter } from '@payloadcms/db-sqlite'
import { buildConfig } from 'payload'

const url = process.env.DATABASE_URL ?? 'file:site.db'

export default buildConfig({
  secret: 'for tests',
  telemetry: false,
  localization: { locales: ['en', 'de', 'fr'], defaultLocale: 'en' },
  db: url.startsWith('postgres')
    ? postgresAdapter({ pool: { connectionString: url } })
    : sqliteAdapter({ client: { url } }),
  collections: [
    {
      slug: 'media',
      upload: { staticDir: 'uploads/media', imageSizes: [{ name: 'thumbnail', width: 40, height: 40 }] },
      fields: [
        { name: 'credit', type: 'text' },
        { name: 'alt', type: 'text', localized: true },
        { name: 'altSource', type: 'select', options: ['altwright', 'person'], localized: true },
        { name: 'altLocale', type: 'text', localized: true },
        { name: 'altReviewedAt', type: 'date', localized: true },
      ],
    },
  ],
})
