/** The fields of an alt text, one set for each locale, and the words of `altSource`. */

import type { Field } from 'payload'

type NamedField = Extract<Field, { name: string }>

/** Who wrote the text, or why there is none. `altwright backfill` writes the same words. */
export const ALT_SOURCES = [
  'pending', 'ai', 'human', 'human-edited-ai', 'decorative', 'uncertain', 'rejected', 'failed',
] as const

export type AltSource = (typeof ALT_SOURCES)[number]

/** Words that the first version of this template wrote. */
const OLD_WORDS: Readonly<Record<string, AltSource>> = { altwright: 'ai', person: 'human' }

/** What one locale of a document has. Every field is empty in a document without an alt text. */
export interface AltState {
  alt?: string | null | undefined
  altSource?: string | null | undefined
  altLocale?: string | null | undefined
  altModel?: string | null | undefined
  altReviewedAt?: Date | string | null | undefined
  altReasons?: string | null | undefined
  /** Digests of the picture and of the text at the last save: `PICTURE:TEXT`. */
  altStamp?: string | null | undefined
}

export const ALT_NAMES = [
  'alt', 'altSource', 'altLocale', 'altModel', 'altReviewedAt', 'altReasons', 'altStamp',
] as const

/** The current word for `source`; a word that is not in the vocabulary stays as it is. */
export function currentWord(source: string | null | undefined): string | null {
  return (source && (OLD_WORDS[source] ?? source)) || null
}

/** All fields. `localized` is ignored on a site with one language. */
export function altFields(localized: boolean): NamedField[] {
  const shown = { readOnly: true, position: 'sidebar' } as const
  return [
    { name: 'alt', type: 'text', localized },
    {
      name: 'altSource', type: 'select', options: [...ALT_SOURCES], localized, index: true,
      admin: { position: 'sidebar' },
    },
    { name: 'altLocale', type: 'text', localized, admin: shown },
    { name: 'altModel', type: 'text', localized, admin: shown },
    // The date alone approves a text: altSource stays `ai`.
    {
      name: 'altReviewedAt', type: 'date', localized, admin: { position: 'sidebar' },
      // Payload's own check refuses every save of all locales at once of a localized date.
      validate: (value, { req }) =>
        req.locale === 'all' || !value || !Number.isNaN(new Date(value).getTime()) || 'no date',
    },
    { name: 'altReasons', type: 'textarea', localized, admin: shown },
    { name: 'altStamp', type: 'text', localized, admin: { hidden: true } },
    // SHA-256 of the file as it was uploaded, before Payload converts it.
    { name: 'altImage', type: 'text', admin: { hidden: true } },
  ]
}
