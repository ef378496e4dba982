--[[
Gives a lease's permits back. Idempotent; of an unknown or ended lease, or one with another fence, it takes nothing.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size
ARGV[3] lease  [4] its fence, 0 = whichever

Returns {permits given back, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call('HDEL', OWNERS, '')
preload({'size', 'taken', 'used', 'waiting'})
local freed = reap()
local fence, given = tonumber(ARGV[4]), 0
local facts = redis.call('HGET', OWNERS, ARGV[3])
local held = facts and readLease(facts)
if held and (fence == 0 or held.fence == fence) then
  preload({'use:' .. held.p, 'pass:' .. held.p, 'at:' .. held.p, 'weight:' .. held.p, 'hold:' .. held.p})
  given = held.weight
  drop(ARGV[3], held, 'release', now)
end
if given > 0 or freed > 0 then hint() end
save()
return {given, now}
