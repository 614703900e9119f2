-- What has changed in a book, and a change of it.
--
-- ARGV 2 book  3 number of the last change that the node knows  4 changes at most
-- to write: 5 user  6 name of the change  7 what nodes have to know of it besides  8 records that there may be
-- 9... record, what it is from now on ('' = it goes)
-- Answers {OK | BEHIND | FULL, {number, name, note, {record, value, …}}, …} | {AGAIN, 1 | 0}: BEHIND says that nothing was written,
-- because the node does not know a change of the user's records; AGAIN, that the change it knows is not one of this book, and with 1
-- that the book cannot be the one that it knew, because that change is newer than its last one, or older than its very first.
local book, changes, known = P .. 'book:' .. ARGV[2], P .. 'changes:' .. ARGV[2], ARGV[3]
local newest = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)
local last = newest[1] and string.match(newest[1][1], '^%d+') or '0'
local answer, is_behind = {'OK'}, false

local function add(number, name, note, records)
  answer[#answer + 1] = {number, name, note, records}
end

local function again()
  local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
  local is_begun_anew = first and first[2][2] == '0' and tonumber(known) < tonumber(string.match(first[1], '^%d+'))
  return {'AGAIN', (tonumber(last) < tonumber(known) or is_begun_anew) and 1 or 0}
end

-- Each entry names the one before it: so a node whose last change was cut off, or lost, finds out.
local entries = redis.call('XRANGE', changes, '(' .. known .. '-0', '+', 'COUNT', ARGV[4])
if #entries == 0 and last ~= known then return again() end
for i, entry in ipairs(entries) do
  local fields = entry[2]
  if i == 1 and fields[2] ~= known then return again() end
  if fields[4] == ARGV[5] then is_behind = true end
  local records = {}
  for j = 9, #fields do records[j - 8] = fields[j] end
  add(string.match(entry[1], '^%d+'), fields[6], fields[8], records)
  -- It was made when it was asked for the first time.
  if fields[6] == ARGV[6] then return answer end
end
if not ARGV[5] then return answer end
if is_behind or #entries == tonumber(ARGV[4]) then
  answer[1] = 'BEHIND'
  return answer
end

local more, set, gone, records = 0, {}, {}, {}
for i = 9, #ARGV, 2 do
  local record, value = ARGV[i], ARGV[i + 1]
  local is_there = redis.call('HEXISTS', book, record)
  if value == '' then
    gone[#gone + 1] = record
    more = more - is_there
  else
    set[#set + 1], set[#set + 2] = record, value
    more = more + 1 - is_there
  end
  records[#records + 1], records[#records + 2] = record, value
end
if more > 0 and redis.call('HLEN', book) + more > tonumber(ARGV[8]) then
  answer[1] = 'FULL'
  return answer
end
local number = text(numbers(1))
redis.call('XADD', changes, 'MAXLEN', '~', 10000, number .. '-0', 'p', last, 'u', ARGV[5], 'w', ARGV[6], 'n', ARGV[7],
  unpack(records))
if #set > 0 then redis.call('HSET', book, unpack(set)) end
if #gone > 0 then redis.call('HDEL', book, unpack(gone)) end
add(number, ARGV[6], ARGV[7], records)
return answer
