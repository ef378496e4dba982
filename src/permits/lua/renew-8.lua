--[[
Renews a lease, takes back what its holder gives back, and tells it what it should keep.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size
ARGV[3] lease  [4] its fence, 0 = whichever  [5] permits that the holder keeps, -1 = all
ARGV[6] µs of a lease's life  [7] µs of grace
ARGV[8] as ARGV[12] of acquire  [9] as its [13]  [10] as its [14]

Returns {1, permits, permits to keep, µs to live, µs of grace, now}
        {0, now}   no such lease: its holder must stop
        {-1}       Redis has restarted: call again with ARGV[8] looked up
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, fence, keep = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call('HDEL', OWNERS, '')
local freed = reap()
local held = living(lease)
if not held or (fence > 0 and held.fence ~= fence) then
  -- Asking is telling: a Redis that lost everything learns of the leases that it gave in its former life.
  if not held and checkRestart(tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]) == 'ask' then
    save()
    return {-1}
  end
  if freed > 0 then hint() end
  save()
  return {0, now}
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
    writeLease(lease, held)
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
local left, target, graceLeft = renewed(lease, held, tonumber(ARGV[6]), tonumber(ARGV[7]))
save()
return {1, held.weight, target, left, graceLeft, now}
