--[[
Gives up a waiter's place, so that what was kept for it goes to the next.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size
ARGV[3] provider  [4] waiter

Returns {1 when it stood in the queue else 0, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
redis.call('HDEL', OWNERS, '')
reap()
local member = redis.call('HGET', PLACES, ARGV[3] .. '|' .. ARGV[4])
if member then
  removeWaiter(member, ARGV[3], ARGV[4])
  hint()
end
save()
return {member and 1 or 0, now}
