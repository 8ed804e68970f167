// The request as a curl command that works when it is pasted into a shell.

import { captionPath } from "./api.js";

function quoteForShell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// In double quotes, curl takes commas and semicolons as parts of the file's name.
function quoteFileName(name) {
  return `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

// The key is a shell variable, so that it is not shown.
export function buildCurlCommand(picture, fields, hasKey) {
  const curl = [`curl ${quoteForShell(new URL(captionPath(fields), document.baseURI).href)}`];
  if (hasKey) curl.push('-H "Authorization: Bearer $ALTWRIGHT_KEY"');
  if (!picture.file) {
    const json = JSON.stringify({ image_url: picture.url, ...fields }, null, 1);
    curl.push("-H 'Content-Type: application/json'", `-d ${quoteForShell(json)}`);
    return curl.join(" \\\n  ");
  }
  curl.push(`-F ${quoteForShell(`image=@${quoteFileName(picture.name)}`)}`);
  for (const [name, value] of Object.entries(fields)) {
    // --form-string reads no file where a text begins with @ or <.
    for (const item of [value].flat()) curl.push(`--form-string ${quoteForShell(`${name}=${item}`)}`);
  }
  return curl.join(" \\\n  ");
}
