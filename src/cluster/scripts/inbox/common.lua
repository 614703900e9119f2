-- In front of the scripts that change an inbox. What each user has:
--
--   inbox:<user>   hash  rev, head, upto, min as in the core; b = bytes; ends = when nobody needs it any more (ms); gone = the
--                        item that was deleted last, and by which command; per item i<seq> = what it is, a<seq> = its
--                        arguments; n<name> = where the item of that name is or was; k<key> = the unread item with that key
--   items:<user>   zset  the items that are there; unread:<user> those of them that were not read
--   until:<user>   zset  item -> when it is over (ms)
--   names:<user>   zset  the names that are remembered, in the order of their items
-- and for all of them:
--   placed:<name>  set   "user\nname" of the items that one emit was stored as; the name is that of the emit, or of the items
--   inboxes        zset  user -> when something is due there (ms); inbox_bytes the bytes of all
--
-- Every change takes a number of the log, which follow time and only grow: so no number of an item is given twice, and of two
-- states the one with the larger number is newer, whatever was lost.
local now_ms = math.floor(now / 1000)
-- What a row, an item and a name take besides their texts.
local ROW_BYTES, ITEM_BYTES, NAME_BYTES = 400, 500, 500

local function open(user)
  local box = {
    user = user, key = P .. 'inbox:' .. user, items = P .. 'items:' .. user, unread = P .. 'unread:' .. user,
    over = P .. 'until:' .. user, names = P .. 'names:' .. user, grown = 0,
  }
  local r = redis.call('HMGET', box.key, 'rev', 'head', 'upto', 'min')
  box.is_new = not r[1]
  box.rev, box.head = tonumber(r[1] or '0'), tonumber(r[2] or '0')
  box.upto, box.min = tonumber(r[3] or '0'), tonumber(r[4] or '0')
  return box
end

local function name_bytes(id, message) return 2 * #id + 2 * #message + NAME_BYTES end

local function known(box, id)
  local name = redis.call('HGET', box.key, 'n' .. id)
  if not name then return nil end
  local seq, ends, message, gone, was_read = unpack(cmsgpack.unpack(name))
  return {seq = seq, ends = tonumber(ends), message = message, gone = gone, was_read = was_read}
end

local function remember(box, id, name)
  local record = {name.seq, text(name.ends), name.message, name.gone, name.was_read}
  redis.call('HSET', box.key, 'n' .. id, cmsgpack.pack(record))
end

local function forget(box, id, name)
  redis.call('HDEL', box.key, 'n' .. id)
  redis.call('ZREM', box.names, id)
  redis.call('SREM', P .. 'placed:' .. id, box.user .. '\n' .. id)
  redis.call('SREM', P .. 'placed:' .. name.message, box.user .. '\n' .. id)
  box.grown = box.grown - name_bytes(id, name.message)
end

-- Whether so many newer names are remembered that one of an item that is gone is not.
local function is_old(box, id, count_max) return redis.call('ZREVRANK', box.names, id) >= count_max end

-- An item goes.
local function take_out(box, seq, why, count_max)
  local was_read = redis.call('ZREM', box.unread, seq) == 0
  redis.call('ZREM', box.items, seq)
  redis.call('ZREM', box.over, seq)
  local id, _, _, _, _, collapse_key, bytes = unpack(cmsgpack.unpack(redis.call('HGET', box.key, 'i' .. seq)))
  redis.call('HDEL', box.key, 'i' .. seq, 'a' .. seq)
  box.grown = box.grown - tonumber(bytes)
  if redis.call('HGET', box.key, 'k' .. collapse_key) == seq then redis.call('HDEL', box.key, 'k' .. collapse_key) end
  if why == 'expired' or why == 'pushed_out' then box.min = math.max(box.min, tonumber(seq) + 1) end
  local name = known(box, id)
  if not name or name.seq ~= seq then return end
  name.gone, name.was_read = why, was_read
  if is_old(box, id, count_max) then forget(box, id, name) else remember(box, id, name) end
end

-- What is over by now goes. Returns how many items.
local function expire(box, count_max)
  local gone = redis.call('ZRANGEBYSCORE', box.over, '-inf', text(now_ms))
  for _, seq in ipairs(gone) do take_out(box, seq, 'expired', count_max) end
  return #gone
end

-- When something is due in an inbox: its first item is over, or it is not needed any more.
local function schedule(box, ends)
  local first = redis.call('ZRANGE', box.over, 0, 0, 'WITHSCORES')
  redis.call('ZADD', P .. 'inboxes', first[2] or ends, box.user)
end

-- Ends a change, under this number.
local function save(box, number)
  local first = redis.call('ZRANGE', box.unread, 0, 0)
  box.upto = math.max(box.upto, first[1] and tonumber(first[1]) - 1 or box.head)
  box.rev = number
  redis.call('HSET', box.key, 'rev', text(number), 'head', text(box.head), 'upto', text(box.upto), 'min', text(box.min))
  if box.grown ~= 0 then
    redis.call('HINCRBY', box.key, 'b', text(box.grown))
    redis.call('INCRBY', P .. 'inbox_bytes', text(box.grown))
  end
  schedule(box, redis.call('HGET', box.key, 'ends'))
end

-- The number of the next change.
local function next_number(box) return math.max(numbers(1), box.rev + 1) end

-- An inbox as its owner sees it.
local function state(box)
  return {text(box.rev), text(box.head), redis.call('ZCARD', box.unread), text(box.upto), text(box.min)}
end
