-- Takes over what a node has that was alone, before any node of the cluster runs. What is there already stays as it is: so it may
-- be run again, if nobody knows whether it was.
--
-- ARGV 2 highest number that the node gave  3 when it ended (ms)  4 how long its users keep their sessions (ms)  5 how long inboxes
-- are kept (ms)  6 bytes of all inboxes  7... of these:
--   u user session                                                    the user was online
--   b book record value                                               a record of all nodes
--   h number kind user session reason closed endpoint attempts next   a presence change that an endpoint was not told yet
--   n user head upto min                                              the inbox of a user, before what is in it:
--   i user number name emit until read namespace event arguments since ends key   an item; `until` its name is remembered (ms)
--   g user number name emit until read why                            the name of an item that is gone
-- Answers {OK} | {RUNNING, nodes} | {FULL}: there would be more bytes in inboxes | {NEWER}: a change was told by the cluster that is newer than these.
local running = redis.call('HLEN', P .. 'nodes')
if running > 0 then return {'RUNNING', running} end
-- Numbers go on above those that were given.
if tonumber(redis.call('HGET', meta, 'n') or '0') < tonumber(ARGV[2]) then redis.call('HSET', meta, 'n', ARGV[2]) end
hold()
local due = text(math.floor(now / 1000) + tonumber(ARGV[4]))
local keep = text(now_ms + tonumber(ARGV[5]))

local function grow(box)
  redis.call('HINCRBY', box.key, 'b', text(box.grown))
  redis.call('INCRBY', P .. 'inbox_bytes', text(box.grown))
  schedule(box, redis.call('HGET', box.key, 'ends'))
end

-- Remembers the name of an item, which is or was in the inbox.
local function call_it(box, name, seq, id)
  redis.call('ZADD', box.names, seq, id)
  remember(box, id, name)
  box.grown = box.grown + name_bytes(id, name.message)
  for _, each in ipairs({name.message, id}) do
    local key = P .. 'placed:' .. each
    if redis.call('SCARD', key) < 1000 then redis.call('SADD', key, box.user .. '\n' .. id) end
    redis.call('PEXPIRE', key, ARGV[5])
  end
end

local i = 7
while ARGV[i] do
  if ARGV[i] == 'u' then
    local user, key = ARGV[i + 1], P .. 'u:' .. ARGV[i + 1]
    if redis.call('HSETNX', key, 's', ARGV[i + 2]) == 1 then
      redis.call('HSET', key, 'r', 'server_restart', 'c', ARGV[3])
      redis.call('ZADD', P .. 'due', due, user)
      redis.call('HINCRBY', meta, 'users', 1)
    end
    i = i + 3
  elseif ARGV[i] == 'b' then
    redis.call('HSETNX', P .. 'book:' .. ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    i = i + 4
  elseif ARGV[i] == 'n' then
    local box = open(ARGV[i + 1])
    if box.is_new then
      redis.call('HSET', box.key, 'rev', text(numbers(1)), 'head', ARGV[i + 2], 'upto', ARGV[i + 3], 'min', ARGV[i + 4], 'ends', keep)
      box.grown = ROW_BYTES
      grow(box)
    end
    i = i + 5
  elseif ARGV[i] == 'i' then
    local box, seq, id, emit = open(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
    local namespace, event, args, collapse_key = ARGV[i + 7], ARGV[i + 8], ARGV[i + 9], ARGV[i + 12]
    if not redis.call('ZSCORE', box.items, seq) and not known(box, id) then
      local item_bytes = #args + #id + #namespace + #event + 2 * #collapse_key + ITEM_BYTES
      local bytes = tonumber(redis.call('GET', P .. 'inbox_bytes') or '0')
      if bytes + item_bytes > tonumber(ARGV[6]) then return {'FULL'} end
      local item = {id, namespace, event, ARGV[i + 10], ARGV[i + 11], collapse_key, text(item_bytes)}
      redis.call('HSET', box.key, 'i' .. seq, cmsgpack.pack(item), 'a' .. seq, args)
      redis.call('ZADD', box.items, seq, seq)
      redis.call('ZADD', box.over, ARGV[i + 11], seq)
      if ARGV[i + 6] == '0' then
        redis.call('ZADD', box.unread, seq, seq)
        if collapse_key ~= '' then redis.call('HSET', box.key, 'k' .. collapse_key, seq) end
      end
      box.grown = item_bytes
      call_it(box, {seq = seq, ends = tonumber(ARGV[i + 5]), message = emit, gone = '', was_read = false}, seq, id)
      grow(box)
    end
    i = i + 13
  elseif ARGV[i] == 'g' then
    local box, seq, id = open(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
    if not known(box, id) then
      local name = {seq = seq, ends = tonumber(ARGV[i + 5]), message = ARGV[i + 4], gone = ARGV[i + 7], was_read = ARGV[i + 6] == '1'}
      call_it(box, name, seq, id)
      grow(box)
    end
    i = i + 8
  else
    local seq, endpoint = ARGV[i + 1], ARGV[i + 7]
    if #redis.call('XRANGE', P .. 'events', seq .. '-0', seq .. '-0') == 0 then
      local last = redis.call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
      if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(seq) then return {'NEWER'} end
      record(seq, 'k', ARGV[i + 2], 'u', ARGV[i + 3], 's', ARGV[i + 4], 'r', ARGV[i + 5], 'c', ARGV[i + 6])
    end
    redis.call('SADD', P .. 'endpoints', endpoint)
    redis.call('ZADD', P .. 'wait:' .. endpoint, seq, seq)
    if ARGV[i + 9] ~= '' then redis.call('HSET', P .. 'tries:' .. endpoint, seq, ARGV[i + 8] .. ' ' .. ARGV[i + 9]) end
    i = i + 10
  end
end
return {'OK'}
