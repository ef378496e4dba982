--[[
Grants permits under a lease, or keeps the caller's place among the waiters. Idempotent by lease: one that lives gets the
same grant again, renewed.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size
ARGV[3] lease  [4] provider  [5] permits wanted  [6] least permits  [7] waiter  [8] owner (text for people)
ARGV[9] µs of a lease's life  [10] µs of grace  [11] µs for which a waiter's place is kept
ARGV[12] µs by TIME of the last clean stop of Redis, 0 = none, -1 = not looked up
ARGV[13] µs by TIME of the caller's last grant, 0 = none  [14] run id of the Redis that gave it, '' = none

Returns {1, permits, fence, µs to live, permits to keep, µs of grace, now, run id}   granted
        {0, waiters of this provider ahead, µs after which to ask again, last hint, reason, now}
                                   reason: full | capped | turn | restart
        {-1}                       Redis has restarted: call again with ARGV[12] looked up
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, p, want, min, waiter, owner = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
local life, grace, stay = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

preload({'size', 'taken', 'used', 'marked', 'waiting', 'names', 'fence', 'runId', 'settledRunId', 'lastGrantAt', 'holdUntil',
  'use:' .. p, 'marked:' .. p, 'cap:' .. p, 'weight:' .. p, 'queue:' .. p, 'pass:' .. p, 'at:' .. p, 'hold:' .. p})
local runId = checkRestart(life, tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14])
if runId == 'ask' then return {-1} end
seedIfNew()
know(p)
local freed = reap()

local held = living(lease)
if held then
  local left, keep, graceLeft = renewed(lease, held, life, grace)
  save()
  return {1, held.weight, held.fence, left, keep, graceLeft, now, runId}
end

local free = effective() - get('used')
local room = capOf(p) - get('use:' .. p)
local restarting = get('holdUntil') > now
local granted, member = 0, nil
if restarting or free <= 0 or get('waiting') > 0 then
  member = stand(p, waiter, want, min, stay)
  if not restarting and free > 0 then granted = allot(free)[member] or 0 end
elseif math.min(free, room) >= min then
  granted = math.min(want, free, room)
else
  member = stand(p, waiter, want, min, stay)
end

if granted == 0 then
  local wait, reason
  if restarting then
    wait, reason = get('holdUntil') - now, 'restart'
  else
    local first = redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
    wait = first[2] and math.max(0, tonumber(first[2]) - now) or life
    reason = room <= 0 and 'capped' or free < min and 'full' or 'turn'
  end
  if freed > 0 then hint() end
  save()
  local ahead = redis.call('ZLEXCOUNT', WAITERS, '[' .. p .. '|', '(' .. member)
  return {0, ahead, wait, get('wake'), reason, now}
end

if member then
  removeWaiter(member, p, waiter)
else
  awake(p)
end
held = {weight = granted, p = p, fence = math.max(get('fence') + 1, now), since = now, cut = 0, grace = 0, owner = owner}
set('fence', held.fence)
set('lastGrantAt', now)
adjust(p, granted, 0)
local left = extend(lease, held, life)
writeLease(lease, held)
log('grant', lease, p, granted, 'f', int(held.fence), 'd', int(now + left))
if freed > 0 then hint() end
save()
return {1, granted, held.fence, left, granted, 0, now, runId}
