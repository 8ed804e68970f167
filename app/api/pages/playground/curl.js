// The request as a curl command that works when it is pasted into a shell.

function quoteForShell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// The key is a shell variable, so that it is not shown. The command reads `file` ({ name, type })
// itself.
export function buildCurlCommand(path, body, file, hasKey) {
  const curl = [
    `curl ${quoteForShell(new URL(path, document.baseURI).href)}`,
    "-H 'Content-Type: application/json'",
  ];
  if (hasKey) curl.push('-H "Authorization: Bearer $ALTWRIGHT_KEY"');
  if (!file) {
    return [...curl, `-d ${quoteForShell(JSON.stringify(body, null, 1))}`].join(" \\\n  ");
  }
  const placeholder = "\u0000"; // for the file's bytes: nobody can type this character
  const type = file.type || "image/jpeg";
  const json = JSON.stringify({ ...body, image_url: placeholder }, null, 1).replace(
    JSON.stringify(placeholder),
    () => `"data:${type};base64,${placeholder}"`,
  );
  const format = json.replaceAll("\\", "\\\\").replaceAll("%", "%%").replace(placeholder, "%s");
  const bytes = `"$(base64 < ${quoteForShell(file.name)} | tr -d '\\n')"`;
  return `printf ${quoteForShell(format)} \\\n  ${bytes} |\n${[...curl, "-d @-"].join(" \\\n  ")}`;
}
