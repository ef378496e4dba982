--[[
  Changes what the pool may give: its size, and what is revoked of it. Where more is held than that, asks holders for
  permits; where more is free, wakes waiters.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] ''
  ARGV[3] operation: seed | resize | revoke | restore
  ARGV[4] number of permits
  ARGV[5] actor
  ARGV[6] reason

  Returns {1 when something changed else 0, configured size, effective size, permits held, permits asked back,
           effective size before, now}
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
--- @include "waiters.lua"
--- @include "askBack.lua"
local operation, value, actor, reason = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
redis.call("HDEL", LEASES, "")
reap()
if operation == "seed" and pool.size == 0 then
  pool.size = value
  log("seed", "", "", 0, "-", "a", actor, "r", reason)
  save()
  return { 1, value, value, pool.used, pool.marked, 0, now }
end
seedIfNew()
local before, changed = effective(), true
if operation == "resize" then
  pool.size = value
  pool.taken = math.min(pool.taken, value - 1)
elseif operation == "revoke" then
  -- Lower than the held permits: a revocation above them would have no effect.
  local held = math.min(before, pool.used)
  local target = math.max(1, held - value)
  changed = held > 0 and target < before
  if changed then
    pool.taken = pool.size - target
  end
elseif operation == "restore" then
  changed = pool.taken > 0
  pool.taken = math.max(0, pool.taken - value)
else
  changed = false
end
if changed then
  log(operation, "", "", 0, "-", "v", value, "c", int(pool.size), "a", actor, "r", reason)
  askBack()
  hint()
end
save()
return { changed and 1 or 0, pool.size, effective(), pool.used, pool.marked, before, now }
