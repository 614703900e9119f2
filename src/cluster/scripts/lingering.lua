-- Who lingers: read only.
--
-- ARGV 2 users at most
-- Answers {how many there are, users}
return {redis.call('ZCARD', P .. 'due'), redis.call('ZRANGE', P .. 'due', 0, tonumber(ARGV[2]) - 1)}
