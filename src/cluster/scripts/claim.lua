-- A client comes back to its session: it is the claimant's from now on, and nobody else's.
--
-- ARGV 2 name of the session  3 user  4 who claims it  5 how long it is kept if nothing more is said of it (ms)
-- Answers {epoch, hole, suspects, number of the last entry, owner so far or '', record or ''}
local key, user = P .. 's:' .. ARGV[2], ARGV[3]
local m = redis.call('HMGET', meta, 'epoch', 'hole', 'top')
local s = redis.call('HMGET', key, 'u', 'o', 'd', 'n')
local owner, record = '', ''
if s[1] == user then
  owner, record = s[2], s[3]
  redis.call('HSET', key, 'o', ARGV[4])
  redis.call('PEXPIRE', key, ARGV[5])
  if s[4] then
    redis.call('HDEL', key, 'n')
    redis.call('ZREM', P .. 'away:' .. s[4] .. ',' .. user, ARGV[2])
    redis.call('ZREM', P .. 'away:' .. s[4], ARGV[2])
  end
end
return {m[1] or '', m[2] or '0', redis.call('SCARD', P .. 'suspects'), m[3] or '0', owner, record}
