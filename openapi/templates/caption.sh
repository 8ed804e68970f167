#!/usr/bin/env bash
# One caption with curl (7.76 or newer), of a URL or a file:
#
#   ./caption.sh https://images.example.com/mug.jpg
#   ./caption.sh mug.jpg seo
#
# Prints the answer's JSON. Ends with 0 where there is a caption; else the JSON is a problem whose
# `code` and `detail` say what to mend, and the exit code is curl's (22). 2: there is no such file.
set -euo pipefail

server=${ALTWRIGHT_URL:-http://127.0.0.1:8000}
picture=${1:?a URL or a file}
style=${2:-concise}

case $picture in
  http://* | https://*) ;;
  *) [[ -r $picture ]] || { echo "There is no file $picture." >&2; exit 2; } ;;
esac

quoted() { sed 's/[\\"]/\\&/g' <<<"$1" | tr -d '\n'; }

# A file goes through a pipe: as an argument it would be too long from 100 KB on.
body() {
  printf '{"style": "%s", "image_url": "' "$(quoted "$style")"
  case $picture in
    http://* | https://*) quoted "$picture" ;;
    # The server looks at the bytes: the type need not be right.
    *) printf 'data:image/jpeg;base64,' && base64 <"$picture" | tr -d '\n' ;;
  esac
  printf '"}'
}

# The key stays out of the command line, which every user of the machine can read.
key() { [[ -z ${ALTWRIGHT_API_KEY:-} ]] || printf 'Authorization: Bearer %s\n' "$ALTWRIGHT_API_KEY"; }

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# curl tries again after 408, 429 and 5xx, and waits as long as Retry-After says. Into a file,
# because it prints the answer of every try otherwise.
status=0
body | curl --silent --show-error --fail-with-body --output "$answer" \
  --max-time 35 --retry 3 --retry-max-time 120 --retry-connrefused \
  --header @<(key) --header 'Content-Type: application/json' --data-binary @- \
  "$server/v1/image/caption" || status=$?
cat "$answer" && echo
exit "$status"
