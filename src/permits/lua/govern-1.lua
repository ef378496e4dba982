--[[
Changes what the pool may give: its size, what is revoked of it, caps and weights. Where more is held than that, asks
holders for permits; where more is free, wakes waiters.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] operation: seed | resize | revoke | restore | cap | weight
ARGV[3] number; of a cap '' = none  [4] provider (cap, weight)  [5] actor  [6] reason

Returns {1 when something changed else 0, configured size, effective size, permits held, permits asked back,
         effective size before, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "marks.lua"
local operation, value, p = ARGV[2], tonumber(ARGV[3]), ARGV[4]
redis.call('HDEL', LEASES, '')
reap()
if operation == 'seed' and pool.size == 0 then
  pool.size = value
  log('seed', '', '', 0, '-', 'a', ARGV[5], 'r', ARGV[6])
  save()
  return {1, value, value, pool.used, pool.marked, 0, now}
end
seedIfNew()
local before, changed = effective(), true
if operation == 'resize' then
  pool.size = value
  pool.taken = math.min(pool.taken, value - 1)
elseif operation == 'revoke' then
  -- Of what is held: a size above that could be lowered without anybody noticing.
  local held = math.min(before, pool.used)
  local target = math.max(1, held - value)
  changed = held > 0 and target < before
  if changed then pool.taken = pool.size - target end
elseif operation == 'restore' then
  changed = pool.taken > 0
  pool.taken = math.max(0, pool.taken - value)
elseif operation == 'cap' then
  know(p).cap = value or math.huge
elseif operation == 'weight' then
  know(p)
  -- Permit time so far was had under the weight so far.
  setPass(p, passOf(p))
  of(p).weight = value
else
  changed = false
end
if changed then
  log(operation, '', p, 0, '-', 'v', ARGV[3], 'c', int(pool.size), 'a', ARGV[5], 'r', ARGV[6])
  askBack()
  hint()
end
save()
return {changed and 1 or 0, pool.size, effective(), pool.used, pool.marked, before, now}
