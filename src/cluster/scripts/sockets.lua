-- In front of scripts that tell of sockets that come and go.
--
--   sockets:<inc>  hash  socket, user -> session, since when (ms), user and what else is told, both as JSON: what an incarnation told of.
--                        What is still in it when the incarnation is let go is told to have gone

-- A point in time as hooks write it.
local function rfc3339(ms)
  local floor = math.floor
  local days = floor(ms / 86400000) + 719468
  local era = floor(days / 146097)
  local day = days - era * 146097
  local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
  day = day - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * day + 2) / 153)
  day = day - floor((153 * month + 2) / 5) + 1
  year = year + era * 400
  if month < 10 then month = month + 3 else month, year = month - 9, year + 1 end
  local time = ms % 86400000
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
    floor(time / 3600000), floor(time / 60000) % 60, floor(time / 1000) % 60, time % 1000)
end

local function tell_of_socket(kind, user, at, known, words)
  local seq = text(numbers(1))
  local data = '"user":' .. known[3] .. ',"session":' .. known[1] .. ',' .. words
  record(seq, 'k', 'hook', 'u', user, 't', kind, 'b', '{"type":"' .. kind .. '","timestamp":"' .. at .. '","data":{' .. data .. '}}')
  hand_out(seq)
end

-- What an incarnation, or an earlier one of the same run of a node, told of a socket; it is not its any more.
local function forget_socket(incarnations, field)
  for each in string.gmatch(incarnations, '%S+') do
    local known = redis.call('HGET', P .. 'sockets:' .. each, field)
    if known then
      redis.call('HDEL', P .. 'sockets:' .. each, field)
      return known
    end
  end
  return false
end

-- The incarnation has a socket. What it, or an earlier one, said of it already is not told again; unless it has to be.
local function socket_came(incarnation, earlier, user, socket, at, words, quoted, since, again)
  local field = socket .. ' ' .. user
  local known = forget_socket(incarnation .. ' ' .. earlier, field)
  if not known or again then
    local session = redis.call('HGET', P .. 'u:' .. user, 's')
    -- The user is gone already, and was never told of: nor is the socket, then or when it goes.
    if not session then return end
    known = cmsgpack.pack({session, since, quoted, words})
    tell_of_socket('socket.connected', user, at, {session, since, quoted}, words)
  end
  redis.call('HSET', P .. 'sockets:' .. incarnation, field, known)
end

-- It is gone. If that is known, or nobody was told that it came, nothing is told.
local function socket_went(incarnation, earlier, user, socket, at, words)
  local known = forget_socket(incarnation .. ' ' .. earlier, socket .. ' ' .. user)
  if known then tell_of_socket('socket.disconnected', user, at, cmsgpack.unpack(known), words) end
end

-- The incarnation is gone with its sockets, at most so many of which are told of. Returns how many are left.
local function sockets_lost(incarnation, most, reason)
  local key, ms = P .. 'sockets:' .. incarnation, math.floor(now / 1000)
  local lost = redis.call('HRANDFIELD', key, most, 'WITHVALUES')
  for i = 1, #lost, 2 do
    redis.call('HDEL', key, lost[i])
    local known, at = cmsgpack.unpack(lost[i + 1]), rfc3339(ms)
    local time = text(math.max(0, ms - tonumber(known[2])))
    local words = known[4] .. ',"disconnected_at":"' .. at .. '","reason":"' .. reason .. '","duration_ms":' .. time
    tell_of_socket('socket.disconnected', string.match(lost[i], '^%S+ (.*)$'), at, known, words)
  end
  return redis.call('HLEN', key)
end
