-- Resume tokens: each is exchanged once, on whichever node, and whoever brings one again that was exchanged gives away that two
-- clients have the same. The rules are those of one node; only where there would be too much to remember, whoever is new
-- needs credentials, and nobody else.
--
--   resume           hash    since = tokens made until then do not count (ms): what became of them is not known here;
--                            out:u, out:g = those of users, of guests, made until then do not; ttl = how long tokens live,
--                            earlier = when the last has ended that was made before ttl was that (ms)
--   family:<f>       hash    u = user; g = generation of the token that was not exchanged yet; x = when the one before was (ms);
--                            e = when the last of its tokens ends (ms); r = 1 if none of them counts
--   families:<user>  zset    those of a user -> e
--   out:<user>       string  tokens of the user that were made until then do not count (ms)
--   resumed:<u | g>  zset    f<family> and o<user>: all of which something is remembered -> until when (ms)
--   erased           zset    keyed hash of a user who was erased -> tokens made until then do not count (ms)
--
-- ARGV 2 what  3 time (ms, by the clock of the node)  4 u | g, of a user or a guest  5 families of one user  6 of all
-- 7 longest life of a token (ms)  8... what belongs to it:
--   begin: 8 how long tokens live (ms)  9 how much later one may be made (ms). Answers {LIVES, ttl, earlier}
--   exchange: 8 user  9 family  10 generation  11 when it was made (ms)  12 when all tokens have ended that are made until now (ms)
--     13 keyed hash of the user  14 how long one counts that was exchanged (ms)
--     Answers {OK, generation} | {REVOKED, 1 if that is because there is too much to remember, else 0} | {REUSED}
--   reissue: 8 user  9 family  10 generation  11 when the new token ends (ms). Answers {OK, generation}
--   revoke: 8 user  9 family  10 when its tokens have ended (ms)
--   out: 8 user
--   erase: 8 user  9 keyed hash of it
-- The last three answer {DONE}.
local op, at, kind, user = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[8]
local resume, all, life = P .. 'resume', P .. 'resumed:' .. kind, tonumber(ARGV[7])
-- The clocks of Redis and of nodes differ: what is kept goes an hour late.
local LATE = 3600000

redis.call('HSETNX', resume, 'since', ARGV[3])

if op == 'begin' then
  local m = redis.call('HMGET', resume, 'ttl', 'earlier')
  local earlier = tonumber(m[2] or '0')
  if m[1] ~= ARGV[8] then
    if m[1] then earlier = math.max(earlier, at + tonumber(m[1]) + tonumber(ARGV[9])) end
    redis.call('HSET', resume, 'ttl', ARGV[8], 'earlier', text(earlier))
  end
  return {'LIVES', ARGV[8], text(earlier)}
end

for _, each in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', text(at), 'LIMIT', 0, 100)) do redis.call('ZREM', all, each) end
for _, each in ipairs(redis.call('ZRANGEBYSCORE', P .. 'erased', '-inf', text(at - life), 'LIMIT', 0, 100)) do
  redis.call('ZREM', P .. 'erased', each)
end
local families, out = P .. 'families:' .. user, P .. 'out:' .. user
redis.call('ZREMRANGEBYSCORE', families, '-inf', text(at))
local remembered = redis.call('ZCARD', all) + redis.call('ZCARD', P .. 'erased')

local function largest(...)
  local it = 0
  for _, each in ipairs({...}) do it = math.max(it, tonumber(each or '0')) end
  return it
end

-- Nobody's token counts any more that was made until now.
local function all_out()
  redis.call('HSET', resume, 'out:' .. kind, text(largest(redis.call('HGET', resume, 'out:' .. kind) or '0', at)))
end

local function forget_families()
  for _, each in ipairs(redis.call('ZRANGE', families, 0, -1)) do
    redis.call('DEL', P .. 'family:' .. each)
    redis.call('ZREM', all, 'f' .. each)
  end
  redis.call('DEL', families)
end

local function user_out()
  forget_families()
  redis.call('SET', out, text(largest(redis.call('GET', out) or '0', at)), 'PX', text(life + LATE))
  redis.call('ZADD', all, text(at + life), 'o' .. user)
end

local function put(family, generation, exchanged, ends, revoked)
  local key, left = P .. 'family:' .. family, text(math.max(ends - at, 0) + LATE)
  redis.call('HSET', key, 'u', user, 'g', generation, 'x', text(exchanged), 'e', text(ends), 'r', revoked)
  redis.call('PEXPIRE', key, left)
  redis.call('ZADD', families, text(ends), family)
  if redis.call('PTTL', families) < tonumber(left) then redis.call('PEXPIRE', families, left) end
  redis.call('ZADD', all, text(ends), 'f' .. family)
end

if op == 'exchange' then
  local family, generation = ARGV[9], tonumber(ARGV[10])
  local m = redis.call('HMGET', resume, 'since', 'out:' .. kind)
  local ends = largest(m[1], m[2] or '0', redis.call('GET', out) or '0', redis.call('ZSCORE', P .. 'erased', ARGV[13]) or '0')
  if tonumber(ARGV[11]) <= ends then return {'REVOKED', 0} end
  local r = redis.call('HMGET', P .. 'family:' .. family, 'u', 'g', 'x', 'e', 'r')
  if not r[1] then
    -- The record outlives every token of the family, and before the first exchange there is none.
    if generation ~= 1 then return {'REVOKED', 0} end
    if redis.call('ZCARD', families) >= tonumber(ARGV[5]) then
      user_out()
      return {'REVOKED', 1}
    end
    if remembered >= tonumber(ARGV[6]) then return {'REVOKED', 1} end
    put(family, 2, at, tonumber(ARGV[12]), 0)
    return {'OK', 2}
  end
  local current, exchanged = tonumber(r[2]), tonumber(r[3])
  if r[5] == '1' or current < generation or r[1] ~= user then return {'REVOKED', 0} end
  local until_ms, revoked = math.max(tonumber(r[4]), tonumber(ARGV[12])), 0
  if current == generation then
    current, exchanged = generation + 1, at
  elseif current ~= generation + 1 or at >= exchanged + tonumber(ARGV[14]) then
    revoked = 1
  end
  put(family, current, exchanged, until_ms, revoked)
  if revoked == 1 then return {'REUSED'} end
  return {'OK', current}
end

if op == 'reissue' then
  local r = redis.call('HMGET', P .. 'family:' .. ARGV[9], 'u', 'g', 'x', 'e', 'r')
  if r[1] ~= user then return {'OK', ARGV[10]} end
  put(ARGV[9], r[2], tonumber(r[3]), math.max(tonumber(r[4]), tonumber(ARGV[11])), r[5])
  -- Tabs of a browser share what they keep of a guest.
  return {'OK', kind == 'g' and r[2] or ARGV[10]}
end

-- What is revoked has some more room than what is not: it counts in any case.
local is_full = remembered >= 2 * tonumber(ARGV[6])
if op == 'revoke' then
  local r = redis.call('HMGET', P .. 'family:' .. ARGV[9], 'u', 'g', 'x', 'e', 'r')
  local ends = tonumber(ARGV[10])
  if r[1] == user then
    put(ARGV[9], r[2], tonumber(r[3]), math.max(tonumber(r[4]), ends), 1)
  elseif not r[1] then
    if redis.call('ZCARD', families) >= tonumber(ARGV[5]) then
      user_out()
    elseif is_full then
      all_out()
    else
      put(ARGV[9], 1, at, ends, 1)
    end
  end
  return {'DONE'}
end
if op == 'out' then
  if is_full and redis.call('EXISTS', out) == 0 then all_out() else user_out() end
  return {'DONE'}
end
if op == 'erase' then
  forget_families()
  redis.call('DEL', out)
  redis.call('ZREM', all, 'o' .. user)
  if is_full then
    all_out()
  else
    local before = redis.call('ZSCORE', P .. 'erased', ARGV[9]) or '0'
    redis.call('ZADD', P .. 'erased', text(largest(before, at)), ARGV[9])
  end
  return {'DONE'}
end
return redis.error_reply('ERR no such operation')
