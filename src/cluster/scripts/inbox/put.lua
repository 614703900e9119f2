-- One event for the inboxes of users. To put the same emit again changes nothing, and is answered as the first time.
--
-- ARGV 2 name  3 emit  4 namespace  5 event  6 arguments  7 collapse key or ''  8 how long it stays (ms)  9 how long its name is
-- remembered (ms)  10 items of an inbox  11 bytes of all inboxes  12... user, and `store` or `check`
-- Answers {OK, for each user {} if it is not there, else {NEW | DUP, its number, state}}, or {FULL}: nothing was stored.
local id, emit, collapse_key, args = ARGV[2], ARGV[3], ARGV[7], ARGV[6]
local ends, keep, count_max = now_ms + tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local item_bytes = #args + #id + #ARGV[4] + #ARGV[5] + 2 * #collapse_key + ITEM_BYTES

local answer, fresh, growth = {'OK'}, {}, 0
for i = 12, #ARGV, 2 do
  local box = open(ARGV[i])
  local name = known(box, id)
  if name and name.ends > now_ms then
    answer[#answer + 1] = {name.message == emit and 'NEW' or 'DUP', name.seq, state(box)}
  elseif ARGV[i + 1] == 'check' then
    answer[#answer + 1] = {}
  else
    answer[#answer + 1] = false
    fresh[#answer] = box
    growth = growth + item_bytes + name_bytes(id, emit) + (box.is_new and ROW_BYTES or 0)
  end
end
if next(fresh) and tonumber(redis.call('GET', P .. 'inbox_bytes') or '0') + growth > tonumber(ARGV[11]) then return {'FULL'} end

local function place(name, user)
  local key = P .. 'placed:' .. name
  if redis.call('SCARD', key) < 1000 then redis.call('SADD', key, user .. '\n' .. id) end
  redis.call('PEXPIRE', key, ARGV[9])
end

for i, box in pairs(fresh) do
  local number = next_number(box)
  local seq = text(number)
  expire(box, count_max)
  -- One that was remembered for too long.
  local old = known(box, id)
  if old then forget(box, id, old) end
  if collapse_key ~= '' then
    local before = redis.call('HGET', box.key, 'k' .. collapse_key)
    if before and redis.call('ZSCORE', box.unread, before) then take_out(box, before, 'collapsed', count_max) end
    redis.call('HSET', box.key, 'k' .. collapse_key, seq)
  end
  if box.is_new then box.min, box.grown = number, box.grown + ROW_BYTES end
  box.head = number
  local item = {id, ARGV[4], ARGV[5], text(now_ms), text(ends), collapse_key, text(item_bytes)}
  redis.call('HSET', box.key, 'i' .. seq, cmsgpack.pack(item), 'a' .. seq, args, 'ends', text(now_ms + keep))
  redis.call('ZADD', box.items, seq, seq)
  redis.call('ZADD', box.unread, seq, seq)
  redis.call('ZADD', box.over, text(ends), seq)
  redis.call('ZADD', box.names, seq, id)
  remember(box, id, {seq = seq, ends = now_ms + keep, message = emit, gone = '', was_read = false})
  box.grown = box.grown + item_bytes + name_bytes(id, emit)
  place(emit, box.user)
  if id ~= emit then place(id, box.user) end
  if redis.call('ZCARD', box.items) > count_max then
    for _, oldest in ipairs(redis.call('ZRANGE', box.items, 0, -count_max - 1)) do
      take_out(box, oldest, 'pushed_out', count_max)
    end
  end
  -- Names that nobody will ask for: of an item that is gone, and too old, or before so many others.
  local names = redis.call('ZCARD', box.names)
  local doubtful = redis.call('ZRANGE', box.names, 0, 1)
  if names > count_max then doubtful[#doubtful + 1] = redis.call('ZRANGE', box.names, names - count_max - 1, names - count_max - 1)[1] end
  for _, each_id in ipairs(doubtful) do
    local name = known(box, each_id)
    if name and name.gone ~= '' and (name.ends <= now_ms or is_old(box, each_id, count_max)) then forget(box, each_id, name) end
  end
  save(box, number)
  answer[i] = {'NEW', seq, state(box)}
end
return answer
