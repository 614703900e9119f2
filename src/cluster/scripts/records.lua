-- A page of the records of a book: read only.
--
-- ARGV 2 book  3 where the page before ended, or 0  4 records, about
-- Answers {number of the last change, where this page ends or 0, {record, value, …}}
local newest = redis.call('XREVRANGE', P .. 'changes:' .. ARGV[2], '+', '-', 'COUNT', 1)
local page = redis.call('HSCAN', P .. 'book:' .. ARGV[2], ARGV[3], 'COUNT', ARGV[4])
return {newest[1] and string.match(newest[1][1], '^%d+') or '0', page[1], page[2]}
