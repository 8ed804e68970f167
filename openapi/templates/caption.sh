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
  http://* | https://*) ;;
  *) [[ -r $image ]] || { echo "There is no file $image." >&2; exit 2; } ;;
esac

escape_json() { sed 's/[\\"]/\\&/g' <<<"$1" | tr -d '\n'; }

# A file is sent through a pipe: arguments are limited to about 100 KB.
print_body() {
  printf '{"style": "%s", "image_url": "' "$(escape_json "$style")"
  case $image in
    http://* | https://*) escape_json "$image" ;;
    # The server detects the type from the bytes; the type given here need not be right.
    *) printf 'data:image/jpeg;base64,' && base64 <"$image" | tr -d '\n' ;;
  esac
  printf '"}'
}

# The key is not on the command line, which every user of the machine can read.
print_key_header() { [[ -z ${ALTWRIGHT_API_KEY:-} ]] || printf 'Authorization: Bearer %s\n' "$ALTWRIGHT_API_KEY"; }

response=$(mktemp)
trap 'rm -f "$response"' EXIT

# curl retries after 408, 429 and 5xx, and waits as long as Retry-After says. The output is a file,
# because otherwise curl prints the response of every attempt.
status=0
print_body | curl --silent --show-error --fail-with-body --output "$response" \
  --max-time 35 --retry 3 --retry-max-time 120 --retry-connrefused \
  --header @<(print_key_header) --header 'Content-Type: application/json' --data-binary @- \
  "$server/v1/image/caption" || status=$?
cat "$response" && echo
exit "$status"
