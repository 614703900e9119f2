-- Lets the users of an incarnation go that is gone, after its sockets: a few at a time, so that nothing waits long. Anybody may go on.
--
-- ARGV 2 incarnation  3 its last batch as it was observed, `*` for one that is dead already, or `own` for one's own
-- 4 users at most  5 grace (ms)  6 reason  7 name of a new epoch
-- Answers {OK | ALIVE | GONE, users and sockets left}
local incarnation, expected = ARGV[2], ARGV[3]
if expected ~= '*' then
  local applied = redis.call('HGET', P .. 'nodes', incarnation)
  if applied then
    -- It beat since it was looked at.
    if expected ~= 'own' and applied ~= expected then return {'ALIVE', 0} end
    bury(incarnation)
    -- It can no longer say whether this copy of the state lost something of it.
    if redis.call('SISMEMBER', P .. 'suspects', incarnation) == 1 then new_epoch(ARGV[7]) end
  elseif redis.call('SISMEMBER', P .. 'dead', incarnation) == 0 then
    return {'GONE', 0}
  end
end
local sockets = sockets_lost(incarnation, tonumber(ARGV[4]), ARGV[6])
if sockets > 0 then return {'OK', sockets} end
local closed = text(math.floor(now / 1000))
for _, user in ipairs(redis.call('SRANDMEMBER', P .. 'of:' .. incarnation, tonumber(ARGV[4]))) do
  down(user, incarnation, tonumber(ARGV[5]), ARGV[6], closed)
end
local left = redis.call('SCARD', P .. 'of:' .. incarnation)
if left == 0 then redis.call('SREM', P .. 'dead', incarnation) end
return {'OK', left}
