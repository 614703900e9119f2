-- The time of the server, in microseconds: there is one clock for all nodes, and no node has to be right.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
