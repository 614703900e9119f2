-- What is in inboxes: read only. What is over is not there any more, whether or not it was taken out.
--
-- ARGV 2 page | placed
--   page: 3 user  4 newest | before | after  5 a number  6 all | unread  7 items at most  8 bytes at most, about
--     Answers {state, 1 if there is more else 0, {number, name, namespace, event, arguments, since (ms), until (ms), 1 if it was
--     read else 0, collapse key or ''}, …}
--   placed: 3 name of an emit, or of items  Answers {user, emit, number, name, '' or why it is gone, 1 if it was read else 0, …}
local now_ms = math.floor(now / 1000)

if ARGV[2] == 'placed' then
  local answer = {}
  for _, each in ipairs(redis.call('SMEMBERS', P .. 'placed:' .. ARGV[3])) do
    local user, id = string.match(each, '^(.-)\n(.*)$')
    local name = redis.call('HGET', P .. 'inbox:' .. user, 'n' .. id)
    if name then
      local seq, ends, emit, gone, was_read = unpack(cmsgpack.unpack(name))
      if tonumber(ends) > now_ms and (emit == ARGV[3] or id == ARGV[3]) then
        if gone == '' then
          was_read = not redis.call('ZSCORE', P .. 'unread:' .. user, seq)
          if tonumber(redis.call('ZSCORE', P .. 'until:' .. user, seq)) <= now_ms then gone = 'expired' end
        end
        for _, it in ipairs({user, emit, seq, id, gone, was_read and 1 or 0}) do answer[#answer + 1] = it end
      end
    end
  end
  return answer
end

local user, at = ARGV[3], ARGV[5]
local key, unread = P .. 'inbox:' .. user, P .. 'unread:' .. user
local r = redis.call('HMGET', key, 'rev', 'head', 'upto', 'min')
local upto, min = tonumber(r[3] or '0'), tonumber(r[4] or '0')
local over = redis.call('ZRANGEBYSCORE', P .. 'until:' .. user, '-inf', text(now_ms))
local is_over, count = {}, redis.call('ZCARD', unread)
for _, seq in ipairs(over) do
  is_over[seq] = true
  min = math.max(min, tonumber(seq) + 1)
  if redis.call('ZSCORE', unread, seq) then count = count - 1 end
end
if #over > 0 then
  local first = tonumber(r[2])
  for _, seq in ipairs(redis.call('ZRANGE', unread, 0, #over)) do
    if not is_over[seq] then
      first = tonumber(seq) - 1
      break
    end
  end
  upto = math.max(upto, first)
end
local answer = {{r[1] or '0', r[2] or '0', count, text(upto), text(min)}, 0}

local from, limit, bytes = P .. 'items:' .. user, tonumber(ARGV[7]), 0
if ARGV[6] == 'unread' then from = unread end
local found
if ARGV[4] == 'after' then
  found = redis.call('ZRANGEBYSCORE', from, '(' .. at, '+inf', 'LIMIT', 0, limit + 1 + #over)
else
  local below = '+inf'
  if ARGV[4] == 'before' then below = '(' .. at end
  found = redis.call('ZREVRANGEBYSCORE', from, below, '-inf', 'LIMIT', 0, limit + 1 + #over)
end
for _, seq in ipairs(found) do
  if not is_over[seq] then
    if #answer - 2 == limit then
      answer[2] = 1
      break
    end
    local item = redis.call('HMGET', key, 'i' .. seq, 'a' .. seq)
    local id, namespace, event, since, ends, collapse_key = unpack(cmsgpack.unpack(item[1]))
    bytes = bytes + 256 + #id + #namespace + #event + #item[2] + #collapse_key
    if bytes > tonumber(ARGV[8]) and #answer > 2 then
      answer[2] = 1
      break
    end
    local is_read = redis.call('ZSCORE', unread, seq) and 0 or 1
    answer[#answer + 1] = {seq, id, namespace, event, item[2], since, ends, is_read, collapse_key}
  end
end
return answer
