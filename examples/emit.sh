#!/bin/sh
# Sends one event to every tab and device of a user, with nothing but curl.
#
#   USERLINE_KEY=… examples/emit.sh ann order:paid '{"id":7}'
#
# The answer says how many sockets matched and to how many the event was sent. An offline user is an answer
# (matched 0), not an error. The data reaches the client as written: it is not parsed on the way.
set -eu

user=${1:?usage: USERLINE_KEY=… emit.sh USER EVENT [JSON]}
event=${2:?usage: USERLINE_KEY=… emit.sh USER EVENT [JSON]}
data=${3:-null}
url=${USERLINE_URL:-http://127.0.0.1:4001}
: "${USERLINE_KEY:?set USERLINE_KEY to an admin key; ./demo prints one}"

# Both are put into JSON between quotes; a name that could end its quotes could address somebody else.
case $user$event in
  *[\"\\]*) printf '%s\n' 'emit.sh: USER and EVENT must be without quotes and backslashes' >&2; exit 2 ;;
esac

# The key goes through a file descriptor: on the command line every user of this machine could read it.
curl --silent --show-error --fail-with-body --max-time 10 \
  --request POST "$url/v1/emit" \
  --header @- \
  --data "{\"to\":{\"users\":[\"$user\"]},\"event\":\"$event\",\"data\":$data}" <<HEADERS
Authorization: Bearer $USERLINE_KEY
Content-Type: application/json
HEADERS
echo
