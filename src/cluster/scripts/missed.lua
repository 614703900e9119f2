-- What is in the log, for a node that starts: read only.
--
-- ARGV 2 number up to which it has all  3 entries at most
-- Answers entries: one more than that if there are more
return redis.call('XRANGE', P .. 'log', '(' .. ARGV[2] .. '-0', '+', 'COUNT', tonumber(ARGV[3]) + 1)
