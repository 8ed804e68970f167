#!/usr/bin/env bash
# Requests one caption with curl (7.76 or newer), for a URL or a file:
#
#   ./caption.sh https://images.example.com/mug.jpg
#   ./caption.sh mug.jpg seo
#
# Prints the JSON of the response. Exit code 0: it has a caption. Otherwise it is a problem, whose
# `code` and `detail` say what to do, and the exit code is that of curl (22). 2: the file is missing.
set -euo pipefail

server=${ALTWRIGHT_URL:-http://127.0.0.1:8000}
image=${1:?a URL or a file}
style=${2:-concise}

case $image in
  http://* | https://*) form=(--form-string "image_url=$image") ;;
  *)
    [[ -r $image ]] || { echo "There is no file $image." >&2; exit 2; }
    escaped=${image//\\/\\\\}
    form=(--form "image=@\"${escaped//\"/\\\"}\"") # in quotes: a comma or a semicolon would end the name
    ;;
esac

# The key is not on the command line, which every user of the machine can read.
print_key_header() { [[ -z ${ALTWRIGHT_API_KEY:-} ]] || printf 'Authorization: Bearer %s\n' "$ALTWRIGHT_API_KEY"; }

response=$(mktemp)
trap 'rm -f "$response"' EXIT

# curl retries after 408, 429 and 5xx, and waits as long as Retry-After says. The output is a file,
# because otherwise curl prints the response of every attempt.
status=0
curl --silent --show-error --fail-with-body --output "$response" \
  --max-time 35 --retry 3 --retry-max-time 120 --retry-connrefused \
  --header @<(print_key_header) --form-string "style=$style" "${form[@]}" \
  "$server/v1/image/caption" || status=$?
cat "$response" && echo
exit "$status"
