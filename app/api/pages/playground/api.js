// Calls the API. Paths are relative, so that they keep the prefix of a proxy (ROOT_PATH).

function addAuthorization(key, headers = {}) {
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

export async function fetchStyles(key) {
  return call("v1/styles", { headers: addAuthorization(key) });
}

// Whether the embedded captioner is the only one; false where the server does not tell.
export async function hasOnlyEmbeddedCaptioner() {
  const { body } = await call("readyz", {});
  const names = Object.keys(body.captioners ?? {});
  return names.length > 0 && names.every((name) => name === "embedded");
}

export function captionPath(fields) {
  return fields.styles ? "v1/image/captions" : "v1/image/caption";
}

// Asks for the captions of one picture ({ file } or { url }). `fields` are those of the API.
// Never rejects but when `signal` aborts it.
export async function requestCaptions(picture, fields, key, signal) {
  const startedMs = performance.now();
  const headers = picture.file ? {} : { "Content-Type": "application/json" };
  const response = await call(captionPath(fields), {
    method: "POST",
    headers: addAuthorization(key, headers),
    body: picture.file
      ? buildForm(picture.file, fields)
      : JSON.stringify({ image_url: picture.url, ...fields }),
    signal,
  });
  return { ...response, durationMs: performance.now() - startedMs };
}

function buildForm(file, fields) {
  const form = new FormData();
  form.append("image", file, file.name);
  for (const [name, value] of Object.entries(fields)) {
    for (const item of [value].flat()) form.append(name, item);
  }
  return form;
}

// The status, the headers and the JSON body; where there is none, a problem that says why.
async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { ok: false, status: 0, headers: new Headers(), body: NO_RESPONSE };
  }
  const { ok, status, headers } = response;
  try {
    return { ok, status, headers, body: await response.json() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { ok: false, status, headers, body: explainProxyResponse(status) };
  }
}

const NO_RESPONSE = {
  title: "The server did not respond",
  detail: "Is it running, and are you online? A file that was changed after it was chosen must be chosen again.",
  retryable: true,
};

// Responses of the API are JSON, so this one is of something in front of it.
function explainProxyResponse(status) {
  const detail =
    status === 413
      ? "A proxy in front of the server refuses a file of this size. With nginx, client_max_body_size sets the limit."
      : `Something in front of the server responded with status ${status}.`;
  return { title: "No response of the API", detail, retryable: status !== 413 };
}
