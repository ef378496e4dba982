--[[
Renews a lease, takes back what its holder gives back, and tells it what it should keep.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] lease  [3] its fence, 0 = whichever  [4] permits that the holder keeps, -1 = all
ARGV[5] origin, as in restart.lua

Returns {1, permits, permits to keep, µs to live, µs of grace, now}
        {0, now}   no such lease: its holder must stop
        {-1}       Redis has restarted: call again with ARGV[5] in full
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, fence, keep = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call('HDEL', LEASES, '')
local freed = reap()
local held = living(lease)
if not held or (fence > 0 and held.fence ~= fence) then
  local runId
  -- Asking is telling: a Redis that lost everything learns of the leases that it gave in its former life.
  if not held then
    runId = checkRestart(ARGV[5])
  end
  if runId ~= 'ask' and freed > 0 then hint() end
  save()
  return runId == 'ask' and {-1} or {0, now}
end

if keep >= 0 and keep < held.weight then
  local back = held.weight - keep
  if keep == 0 then
    drop(lease, held, 'release', now)
  else
    local cut = math.max(0, held.cut - back)
    adjust(held.p, -back, cut - held.cut)
    held.weight, held.cut = keep, cut
    if cut == 0 then held.grace = 0 end
    log('shrink', lease, held.p, keep)
  end
  hint()
elseif freed > 0 then
  hint()
end
if keep == 0 then
  save()
  return {1, 0, 0, 0, 0, now}
end
local left, target, graceLeft = renewed(lease, held)
save()
return {1, held.weight, target, left, graceLeft, now}
