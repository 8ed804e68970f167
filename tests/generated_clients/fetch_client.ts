// Uses openapi-fetch with the types of openapi-typescript: SERVER IMAGE_URL, prints JSON.
import createClient from 'openapi-fetch'
import type { components, paths } from './altwright_types.js'

declare const process: { argv: string[] }
const [server, imageUrl] = process.argv.slice(2) as [string, string]
const client = createClient<paths>({ baseUrl: server })
const locales = ['en', 'de', 'fr']

type Result = components['schemas']['CaptionsResponse']['results'][number]

/** The caption, or what is wrong where there is none. */
function toText(result: Result): string {
  return 'caption' in result ? result.caption : result.problem.detail
}

/** A form, in which lists are repeated fields. */
function toForm(body: object): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(body)) {
    for (const each of Array.isArray(value) ? value : [value]) form.append(name, each)
  }
  return form
}

const one = await client.POST('/v1/image/caption', {
  body: { image_url: imageUrl, role: 'product' },
})
if (!one.data) throw new Error(one.error.detail)
const several = await client.POST('/v1/image/captions', {
  body: { image_url: imageUrl, styles: ['concise'], locales },
})
if (!several.data) throw new Error(several.error.detail)

// The types of openapi-typescript have a string for a file.
const image = (await (await fetch(imageUrl)).blob()) as unknown as string
const uploaded = await client.POST('/v1/image/caption', {
  body: { image, role: 'product' },
  bodySerializer: toForm,
})
if (!uploaded.data) throw new Error(uploaded.error.detail)
const uploads = await client.POST('/v1/image/captions', {
  body: { image, styles: ['concise'], locales },
  bodySerializer: toForm,
})
if (!uploads.data) throw new Error(uploads.error.detail)

const wrong = await client.POST('/v1/image/caption', {
  body: { image_url: imageUrl, style: 'poem' },
})
console.log(
  JSON.stringify({
    caption: one.data.caption,
    several: several.data.results.map(toText),
    uploaded: uploaded.data.caption,
    uploaded_several: uploads.data.results.map(toText),
    code: wrong.error?.code,
    fields: wrong.error?.errors?.map((error) => error.field),
  }),
)
