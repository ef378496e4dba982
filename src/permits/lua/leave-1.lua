--[[
Gives up a waiter's place, so that what was kept for it goes to the next.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] provider  [3] waiter

Returns {1 when it stood in the queue else 0, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
redis.call('HDEL', LEASES, '')
reap()
local member = redis.call('HGET', PLACES, ARGV[2] .. '|' .. ARGV[3])
if member then
  removeWaiter(member, ARGV[2], ARGV[3])
  hint()
end
save()
return {member and 1 or 0, now}
