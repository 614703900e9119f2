-- Who is there, for those who watch each other: read only.
--
-- Answers {incarnation, last batch, …}, {incarnations being let go}
return {redis.call('HGETALL', P .. 'nodes'), redis.call('SMEMBERS', P .. 'dead')}
