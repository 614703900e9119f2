-- What becomes of items. To ask again changes nothing, and is answered as the first time.
--
-- ARGV 2 upto | ids | delete | tend  3 items of an inbox
--   upto: 4 user  5 a number       All up to it are read. Answers {state}
--   ids: 4 user  5... names        Those are read. Answers {state}
--   delete: 4 user  5 number of an item  6 name of this command. Answers {state}, or {} if there is no such item
--   tend: 4 items at most, but of one inbox all. What is over goes. Answers {bytes of all inboxes, user, state, …}
local op, count_max = ARGV[2], tonumber(ARGV[3])

if op == 'tend' then
  local gone, answer = 0, {}
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', P .. 'inboxes', '-inf', text(now_ms), 'LIMIT', 0, 100)) do
    if gone >= tonumber(ARGV[4]) then break end
    local box = open(user)
    local expired = expire(box, count_max)
    gone = gone + expired
    local ends = tonumber(redis.call('HGET', box.key, 'ends') or '0')
    if expired == 0 and ends <= now_ms and redis.call('ZCARD', box.items) == 0 then
      redis.call('DECRBY', P .. 'inbox_bytes', text(tonumber(redis.call('HGET', box.key, 'b') or '0')))
      redis.call('DEL', box.key, box.names)
      redis.call('ZREM', P .. 'inboxes', user)
    elseif expired > 0 then
      save(box, next_number(box))
      answer[#answer + 1] = user
      answer[#answer + 1] = state(box)
    else
      -- Its first item was taken out before.
      schedule(box, text(ends))
    end
  end
  table.insert(answer, 1, redis.call('GET', P .. 'inbox_bytes') or '0')
  return answer
end

local box = open(ARGV[4])
local changed = expire(box, count_max)
local is_done = true
if op == 'upto' then
  changed = changed + redis.call('ZREMRANGEBYSCORE', box.unread, '-inf', ARGV[5])
elseif op == 'ids' then
  for i = 5, #ARGV do
    local name = known(box, ARGV[i])
    if name and name.gone == '' then changed = changed + redis.call('ZREM', box.unread, name.seq) end
  end
else
  local command = ARGV[5] .. ' ' .. ARGV[6]
  if redis.call('ZSCORE', box.items, ARGV[5]) then
    take_out(box, ARGV[5], 'deleted', count_max)
    redis.call('HSET', box.key, 'gone', command)
    changed = changed + 1
  else
    is_done = redis.call('HGET', box.key, 'gone') == command
  end
end
if changed > 0 then save(box, next_number(box)) end
if is_done then return {state(box)} end
return {}
