// Uses the client of @hey-api/openapi-ts: SERVER IMAGE_URL, prints what it got as JSON.
// Its functions know the first media type of a body only; the client itself sends forms as well.
import { formDataBodySerializer } from './altwright_hey_api/client/index.js'
import { client } from './altwright_hey_api/client.gen.js'
import {
  captionOne,
  captionSeveral,
  type CaptionForm,
  type CaptionOneResponses,
  type CaptionsResponse,
} from './altwright_hey_api/index.js'

declare const process: { argv: string[] }
const [server, imageUrl] = process.argv.slice(2) as [string, string]
client.setConfig({ baseUrl: server })

/** The caption, or what is wrong where there is none. */
function toText(result: CaptionsResponse['results'][number]): string {
  return 'caption' in result ? result.caption : result.problem.detail
}

const one = await captionOne({ body: { image_url: imageUrl, role: 'product' } })
if (!one.data) throw new Error(one.error.detail)
const several = await captionSeveral({
  body: { image_url: imageUrl, styles: ['concise'], locales: ['en', 'de', 'fr'] },
})
if (!several.data) throw new Error(several.error.detail)
const form: CaptionForm = { image: await (await fetch(imageUrl)).blob(), role: 'product' }
const uploaded = await client.post<CaptionOneResponses>({
  ...formDataBodySerializer,
  url: '/v1/image/caption',
  body: form,
  headers: { 'Content-Type': null },
})
const wrong = await captionOne({ body: { image_url: imageUrl, style: 'poem' } })

console.log(
  JSON.stringify({
    caption: one.data.caption,
    several: several.data.results.map(toText),
    uploaded: uploaded.data?.caption,
    code: wrong.error?.code,
    fields: wrong.error?.errors?.map((error) => error.field),
  }),
)
