-- Takes over what a node has that was alone, before any node of the cluster runs. What is there already stays as it is: so it may
-- be run again, if nobody knows whether it was.
--
-- ARGV 2 highest number that the node gave  3 when it ended (ms)  4 how long its users keep their sessions (ms)  5... of these:
--   u user session                                                    the user was online
--   b book record value                                               a record of all nodes
--   h number kind user session reason closed endpoint attempts next   a presence change that an endpoint was not told yet
-- Answers {OK} | {RUNNING, nodes} | {NEWER}: a change was told by the cluster that is newer than these.
local running = redis.call('HLEN', P .. 'nodes')
if running > 0 then return {'RUNNING', running} end
-- Numbers go on above those that were given.
if tonumber(redis.call('HGET', meta, 'n') or '0') < tonumber(ARGV[2]) then redis.call('HSET', meta, 'n', ARGV[2]) end
hold()
local due = text(math.floor(now / 1000) + tonumber(ARGV[4]))
local i = 5
while ARGV[i] do
  if ARGV[i] == 'u' then
    local user, key = ARGV[i + 1], P .. 'u:' .. ARGV[i + 1]
    if redis.call('HSETNX', key, 's', ARGV[i + 2]) == 1 then
      redis.call('HSET', key, 'r', 'server_restart', 'c', ARGV[3])
      redis.call('ZADD', P .. 'due', due, user)
    end
    i = i + 3
  elseif ARGV[i] == 'b' then
    redis.call('HSETNX', P .. 'book:' .. ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    i = i + 4
  else
    local seq, endpoint = ARGV[i + 1], ARGV[i + 7]
    if #redis.call('XRANGE', P .. 'events', seq .. '-0', seq .. '-0') == 0 then
      local last = redis.call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
      if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(seq) then return {'NEWER'} end
      redis.call('XADD', P .. 'events', seq .. '-0', 'k', ARGV[i + 2], 'u', ARGV[i + 3], 's', ARGV[i + 4], 'r', ARGV[i + 5],
        'c', ARGV[i + 6])
    end
    redis.call('SADD', P .. 'endpoints', endpoint)
    redis.call('ZADD', P .. 'wait:' .. endpoint, seq, seq)
    if ARGV[i + 9] ~= '' then redis.call('HSET', P .. 'tries:' .. endpoint, seq, ARGV[i + 8] .. ' ' .. ARGV[i + 9]) end
    i = i + 10
  end
end
return {'OK'}
