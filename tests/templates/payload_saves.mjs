// Runs the hook as Payload 3 does: one save after another, each with the arguments of
// packages/payload/src/collections/operations/{create,utilities/update}.ts. Reads
// {options, saves: [{operation, data, originalDoc, file, locale, context, sharp}]} from standard
// input, writes [{data, warnings}].
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [hookPath, packages] = process.argv.slice(2)
const { fillAlt, altFields } = await import(pathToFileURL(hookPath))

function frozen(value) {
  if (value && typeof value === 'object') Object.values(value).forEach(frozen)
  return Object.freeze(value)
}

let input = ''
for await (const chunk of process.stdin) input += chunk
const { options, saves } = JSON.parse(input)
const hook = fillAlt({ ...options, fields: ({ data }) => ({ context: data.credit }) })
const collection = frozen({ slug: 'media', upload: {}, fields: altFields })
const results = []
for (const save of saves) {
  const warnings = []
  const sharp = save.sharp ? createRequire(`${packages}/`)('sharp') : undefined
  const context = save.context ?? {}
  const { data = '', ...about } = save.file ?? {}
  const req = {
    context,
    locale: save.locale,
    file: save.file && { ...about, data: Buffer.from(data, 'base64') },
    payload: { config: { sharp }, logger: { warn: (text) => warnings.push(text) } },
  }
  const { operation, originalDoc } = save
  const saved = await hook({
    collection, context, data: frozen(save.data), operation, originalDoc: frozen(originalDoc), req,
  })
  results.push({ data: saved, warnings })
}
console.log(JSON.stringify(results))
