-- Which users have changed since a node has heard of them, and that it goes on listening. Before the first answer that is WHOLE it
-- has to look at everybody whom it wants to know.
--
-- ARGV 2 number up to which it has heard, or '' if it begins  3 users at most  4 how long it listens without saying so again (ms)
-- 5 notes that are kept at most  6 how long they are kept (ms)
-- Answers {WHOLE | GAP, number up to which it has heard now, user, …}; GAP: it may have missed any
local listening, notes = P .. 'watching', P .. 'moved'
local floor = redis.call('GET', listening)
if not floor then
  -- Nobody listened: of what has happened there are no notes.
  redis.call('DEL', notes)
  floor = text(numbers(1))
end
local function cut(last)
  if not last[2] then return end
  floor = last[2]
  redis.call('ZREMRANGEBYSCORE', notes, '-inf', floor)
end
local old = text(now - tonumber(ARGV[6]) * 1000)
cut(redis.call('ZREVRANGEBYSCORE', notes, old, '-inf', 'WITHSCORES', 'LIMIT', 0, 1))
cut(redis.call('ZREVRANGE', notes, ARGV[5], ARGV[5], 'WITHSCORES'))
redis.call('SET', listening, floor, 'PX', ARGV[4])
redis.call('PEXPIRE', notes, ARGV[6])

local head = redis.call('HGET', meta, 'n') or '0'
local after = tonumber(ARGV[2])
-- A number that was never given is of a state that was lost.
if not after or after < tonumber(floor) or after > tonumber(head) then return {'GAP', head} end
local found = redis.call('ZRANGEBYSCORE', notes, '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local answer = {'WHOLE', head}
for i = 1, #found, 2 do answer[#answer + 1] = found[i] end
if #found == 2 * tonumber(ARGV[3]) then answer[2] = found[#found] end
return answer
