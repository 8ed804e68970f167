/** SQL for a migration from the first version of this template, which wrote `altwright` and `person`. */

/**
 * The statements for the table that has `alt_source`: `media_locales`, or `media` on a site with one
 * language. With versions, also `_media_v_locales` or `_media_v`, with `version_` as the prefix.
 */
export function renameOldWords(table: string, prefix = ''): string[] {
  const [source, alt] = [`"${prefix}alt_source"`, `"${prefix}alt"`]
  return [
    // An empty text that the machine wrote was its word for a decorative picture.
    `UPDATE "${table}" SET ${source} = 'decorative' WHERE ${source} = 'altwright' AND ${alt} = ''`,
    `UPDATE "${table}" SET ${source} = 'ai' WHERE ${source} = 'altwright'`,
    `UPDATE "${table}" SET ${source} = 'human' WHERE ${source} = 'person'`,
  ]
}
