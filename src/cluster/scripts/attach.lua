-- First on every connection, before anything else: is this still the state that the node knows? And if not, or if others
-- took the node for dead: a new incarnation.
--
-- ARGV 2 run of the server  3 run that the node knows ('' = none)  4 incarnation ('' = none yet)  5 its batches that were
-- answered  6 largest number that the node has seen  7 copy that it knows  8 name of the next incarnation
-- 9 witness under which those who agreed on something else did not move for a lease  10 how many keys all must agree on, and
-- each of them with its value; how many they should agree on, and these; endpoints that are told of presence changes
-- Answers {OK | NEW | LOST, epoch, copy, head, common, {key, value so far, … of those that should be the same}}, or
-- {DIFFERS, witness, lease, {key, value of the others, …}} if those who are there agreed on something else: nothing was
-- changed. OK goes on as before, perhaps in a new epoch; NEW: nothing is missing,
-- but the incarnation is gone; LOST: something is missing that the node was answered for, or has seen; up to `common` nothing is.

-- The pairs of a list that differ from what was agreed, and where the list ends.
local function differing(at)
  local differs, last = {}, at + 2 * tonumber(ARGV[at])
  for i = at + 1, last, 2 do
    local agreed = redis.call('HGET', P .. 'agreed', ARGV[i])
    if agreed and agreed ~= ARGV[i + 1] then
      differs[#differs + 1], differs[#differs + 2] = ARGV[i], agreed
    end
  end
  return differs, last
end

local differs, musts = differing(10)
if #differs > 0 then
  local batches = redis.call('HGETALL', P .. 'nodes')
  local living = {}
  for i = 1, #batches, 2 do living[#living + 1] = batches[i] .. ' ' .. batches[i + 1] end
  table.sort(living)
  local witness = redis.sha1hex(table.concat(living, ','))
  if #living > 0 and ARGV[9] ~= witness then
    return {'DIFFERS', witness, redis.call('HGET', P .. 'agreed', 'cluster.lease') or '0ms', differs}
  end
  -- Whoever agreed on that is gone. Should one of them only have slept, it is not heard any more.
  for i = 1, #batches, 2 do bury(batches[i]) end
  if #living > 0 then new_epoch(ARGV[8]) end
  redis.call('DEL', P .. 'agreed')
end
local changed, terms = differing(musts + 1)
for i = 11, musts, 2 do redis.call('HSET', P .. 'agreed', ARGV[i], ARGV[i + 1]) end
for i = musts + 2, terms, 2 do redis.call('HSET', P .. 'agreed', ARGV[i], ARGV[i + 1]) end

local run, known_run, old, next = ARGV[2], ARGV[3], ARGV[4], ARGV[8]
local acked, seen = tonumber(ARGV[5]), tonumber(ARGV[6])
local m = redis.call('HMGET', meta, 'run', 'n', 'epoch', 'copy', 'start')
local n, epoch, copy, start = tonumber(m[2] or '0'), m[3], m[4], m[5]
if m[1] ~= run then
  -- Another server, or the same one started again: it may hold less than what was answered for. Where the run that this
  -- copy comes from ends is kept, for nodes that come back after several.
  start = text(n)
  redis.call('HSET', meta, 'run', run, 'start', start)
  if redis.call('HLEN', P .. 'ends') > 100 then redis.call('DEL', P .. 'ends') end
  if m[1] then redis.call('HSET', P .. 'ends', m[1], start) end
  for _, each in ipairs(redis.call('HKEYS', P .. 'nodes')) do redis.call('SADD', P .. 'suspects', each) end
  hold()
end

-- Up to here this copy is the state that the node knows. One that was not made of that state has nothing of it for sure.
local common = start
if known_run ~= run then common = redis.call('HGET', P .. 'ends', known_run) end
local applied = old ~= '' and redis.call('HGET', P .. 'nodes', old)
local lost = old ~= '' and (n < seen or not common or (known_run ~= run and tonumber(common) < seen)
  or (applied and tonumber(applied) < acked))
local status
if applied and not lost then
  status = 'OK'
  redis.call('SREM', P .. 'suspects', old)
else
  -- A newer copy than the node knows: others noticed the loss first, and have begun a new epoch for it. An older one came
  -- back, and with it an old epoch.
  local known = epoch and copy == ARGV[7]
  local function age(name) return tonumber(string.match(name, '^%d+') or '0') end
  if not epoch or (lost and age(copy) <= age(ARGV[7])) then
    -- What is there was true once, and somebody may have been told otherwise since.
    if epoch then
      redis.call('HSET', meta, 'doubt', text(math.max(n, seen, now)))
      redis.call('DEL', P .. 'again')
    end
    copy = text(math.max(n, seen) + 1) .. '.' .. next
    epoch = copy
    redis.call('HSET', meta, 'copy', copy)
    new_epoch(epoch)
    hold()
  end
  status = 'NEW'
  if old ~= '' and (lost or not known) then status = 'LOST' end
end
-- No number is given twice, whatever was lost.
if n < seen then
  n = seen
  redis.call('HSET', meta, 'n', text(n))
end
if status ~= 'OK' then
  -- A number of its own: a copy that does not know this incarnation has a lower one.
  n = numbers(1)
  redis.call('HSET', P .. 'nodes', next, '0')
  redis.call('HSET', P .. 'read', next, text(n))
  if old ~= '' then redis.call('SREM', P .. 'suspects', old) end
  for i = terms + 1, #ARGV do redis.call('SADD', P .. 'endpoints', ARGV[i]) end
end
return {status, epoch, copy, text(n), common or start, changed}
