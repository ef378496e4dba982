--[[
Changes what the pool may give: its size, what is revoked of it, caps and weights. Where more is held than that, asks
holders for permits; where more is free, wakes waiters.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size
ARGV[3] operation: seed | resize | revoke | restore | cap | weight
ARGV[4] number; of a cap '' = none  [5] provider (cap, weight)  [6] actor  [7] reason

Returns {1 when something changed else 0, configured size, effective size, permits held, permits asked back,
         effective size before, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "marks.lua"
local operation, value, p = ARGV[3], tonumber(ARGV[4]), ARGV[5]
redis.call('HDEL', OWNERS, '')
reap()
if operation == 'seed' and text('size') == '' then
  set('size', value)
  log('seed', '', '', 0, 'a', ARGV[6], 'r', ARGV[7])
  save()
  return {1, value, value, get('used'), get('marked'), 0, now}
end
seedIfNew()
local before, changed = effective(), true
if operation == 'resize' then
  set('size', value)
  set('taken', math.min(get('taken'), value - 1))
elseif operation == 'revoke' then
  -- Of what is held: a size above that could be lowered without anybody noticing.
  local held = math.min(before, get('used'))
  local target = math.max(1, held - value)
  if held > 0 and target < before then
    set('taken', get('size') - target)
  else
    changed = false
  end
elseif operation == 'restore' then
  changed = get('taken') > 0 and value > 0
  set('taken', math.max(0, get('taken') - value))
elseif operation == 'cap' then
  know(p)
  set('cap:' .. p, value or '')
elseif operation == 'weight' then
  know(p)
  -- Permit time had so far was had under the weight so far.
  set('pass:' .. p, passOf(p))
  set('at:' .. p, now)
  set('weight:' .. p, value)
else
  changed = false
end
if changed then
  log(operation, '', p, 0, 'v', ARGV[4], 'c', int(get('size')), 'a', ARGV[6], 'r', ARGV[7])
  askBack()
  hint()
end
save()
return {changed and 1 or 0, get('size'), effective(), get('used'), get('marked'), before, now}
