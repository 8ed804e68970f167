// The request as a curl command that works when it is pasted into a shell.

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// The key is named, not shown; `file` ({ name, type }) is read by the command itself.
export function curlFor(path, body, file, hasKey) {
  const lines = [`curl ${quoted(location.origin + path)}`, "-H 'Content-Type: application/json'"];
  if (hasKey) lines.push('-H "Authorization: Bearer $ALTWRIGHT_KEY"');
  if (!file) return [...lines, `-d ${quoted(JSON.stringify(body, null, 1))}`].join(" \\\n  ");
  const mark = "\u0000"; // stands where the file's bytes go: nothing a person types contains it
  const type = file.type || "image/jpeg";
  const json = JSON.stringify({ ...body, image_url: mark }, null, 1).replace(
    JSON.stringify(mark),
    () => `"data:${type};base64,${mark}"`,
  );
  const format = json.replaceAll("\\", "\\\\").replaceAll("%", "%%").replace(mark, "%s");
  const bytes = `"$(base64 < ${quoted(file.name)} | tr -d '\\n')"`;
  return `printf ${quoted(format)} \\\n  ${bytes} |\n${[...lines, "-d @-"].join(" \\\n  ")}`;
}
