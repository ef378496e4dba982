--[[
A request came well: the next overload is the first in a row again, unless one was noticed after this request was granted.

KEYS[1] state  HASH: overloads, overloadedAt (µs by TIME), …
ARGV[1] µs by TIME at which the request was granted

Returns 1 when the count was reset, else 0.
]]
if tonumber(ARGV[1]) <= tonumber(redis.call('HGET', KEYS[1], 'overloadedAt') or 0) then return 0 end
return redis.call('HDEL', KEYS[1], 'overloads')
