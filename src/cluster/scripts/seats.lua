-- Seats: how many connections a user has, on all nodes together.
--
-- ARGV 2 take  3 user  4 seat  5 node  6 since when it has it ('' = from now on)  7 seats at most
-- 8 whose seat it may have if all are taken: own (of its client, or of its device), oldest (besides), none
-- 9 how long seats are kept if nothing more is said of any (ms)  10 mark of what its client left behind, or ''
-- 11 how many seats are known to be free, and these; marks of the seat: d<device>, s<socket>
-- Answers {OK, since, {seats of its client that it has now}, {seats of others that it has now}} | {FULL, seat, node, …}
--
-- ARGV 2 free  3... user, seat
-- Answers {FREE}
if ARGV[2] == 'free' then
  for i = 3, #ARGV, 2 do redis.call('HDEL', P .. 'seats:' .. ARGV[i], ARGV[i + 1]) end
  return {'FREE'}
end
local key, seat, node, max, room = P .. 'seats:' .. ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7]), ARGV[8]
local marks = 12 + tonumber(ARGV[11])
for i = 12, marks - 1 do redis.call('HDEL', key, ARGV[i]) end

local function has(value, mark) return mark ~= '' and string.find(value, '\n' .. mark .. '\n', 1, true) end

-- The seat is taken, and known by its marks; a connection of very many sockets by some of them.
local function sit(value)
  for i = marks, #ARGV do
    if not has(value, ARGV[i]) and #value < 4000 then value = value .. ARGV[i] .. '\n' end
  end
  redis.call('HSET', key, seat, value)
  redis.call('PEXPIRE', key, ARGV[9])
  return string.match(value, '^%d+')
end

-- Only seats of nodes that are there count, under whichever of their lives.
local living = {[node] = true}
for _, each in ipairs(redis.call('HKEYS', P .. 'nodes')) do living[string.match(each, '^(.*)%.') or each] = true end
local all, others, own = redis.call('HGETALL', key), {}, nil
for i = 1, #all, 2 do
  local since, holder = string.match(all[i + 1], '^(%d+) (%S+)')
  if all[i] == seat then
    own = all[i + 1]
  elseif living[holder] then
    others[#others + 1] = {name = all[i], since = tonumber(since), node = holder, value = all[i + 1]}
  else
    redis.call('HDEL', key, all[i])
  end
end
if own then return {'OK', sit(own), {}, {}} end

local replaced, evicted = {}, {}
local excess = #others + 1 - max
if excess > 0 then
  table.sort(others, function(a, b)
    if a.since ~= b.since then return a.since < b.since end
    return a.name < b.name
  end)
  local function take(from, to)
    for _, each in ipairs(from) do
      if #replaced + #evicted < excess then to[#to + 1] = each.name end
    end
  end
  local its, same, rest = {}, {}, {}
  for _, other in ipairs(others) do
    local is_same = false
    for i = marks, #ARGV do
      if string.sub(ARGV[i], 1, 1) == 'd' and has(other.value, ARGV[i]) then is_same = true end
    end
    local list = rest
    if has(other.value, ARGV[10]) then list = its elseif is_same then list = same end
    list[#list + 1] = other
  end
  if room == 'none' or (room == 'own' and #its + #same < excess) then
    local answer = {'FULL'}
    for _, other in ipairs(others) do
      answer[#answer + 1], answer[#answer + 2] = other.name, other.node
    end
    return answer
  end
  take(its, replaced)
  take(same, evicted)
  take(rest, evicted)
  for _, each in ipairs(replaced) do redis.call('HDEL', key, each) end
  for _, each in ipairs(evicted) do redis.call('HDEL', key, each) end
end
local since = ARGV[6]
if since == '' then since = text(now) end
return {'OK', sit(since .. ' ' .. node .. '\n'), replaced, evicted}
