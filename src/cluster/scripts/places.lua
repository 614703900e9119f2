-- Who of these users is online, and in which rooms its sockets on each node are: read only.
--
-- ARGV 2 longest time that nobody did what is due (ms)  3 hold after such a time (ms)  4... users
-- Answers {1 if nodes have had the time to say who is there else 0, {1 if the user is online else 0, rooms, …}, …}, in the order of
-- the users
local m = redis.call('HMGET', meta, 'tick', 'hold')
local now_ms, tick, hold = math.floor(now / 1000), tonumber(m[1] or '0'), tonumber(m[2] or '0')
local is_late = now_ms - tick > tonumber(ARGV[2]) or now_ms < tick - 1000
local is_held = now_ms < hold and hold - now_ms <= tonumber(ARGV[3])
local answer = {(is_late or is_held) and 0 or 1}
for i = 4, #ARGV do
  local fields = redis.call('HGETALL', P .. 'u:' .. ARGV[i])
  local user = {#fields > 0 and 1 or 0}
  for field = 1, #fields, 2 do
    -- Names of incarnations have a point.
    if string.find(fields[field], '.', 1, true) then user[#user + 1] = fields[field + 1] end
  end
  answer[#answer + 1] = user
end
return answer
