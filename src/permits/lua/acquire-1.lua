--[[
Grants permits under a lease, or keeps the caller's place among the waiters. Idempotent by lease: one that lives gets the
same grant again, renewed.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] lease  [3] provider  [4] permits wanted
ARGV[5] origin, as in restart.lua
ARGV[6] owner (text for people)  [7] lease to give back first, '' = none  [8] its fence
ARGV[9] least permits, absent = 1  [10] waiter, absent = the lease

Returns fence = now                granted as wanted, for a whole life; the run id is as the caller believed
        {1, permits, fence, µs to live, permits to keep, µs of grace, now, run id}   granted
        {0, waiters of this provider ahead, µs after which to ask again, last hint, reason, now}
                                   reason: full | capped | turn | restart
        {-1}                       Redis has restarted: call again with ARGV[5] in full
]]
-- The way of most: nobody waits, no lease has ended, the caller knows this Redis, and there is as much as it wants. The same
-- as below in a fraction of the time, without the functions; the model test holds both to one law.
local state = redis.call('HMGET', KEYS[1], 'pool', 'p:' .. ARGV[3], 'runId')
if state[1] and state[2] and state[3] == ARGV[5] then
  local size, taken, used, marked, waiting, seq, wake, fence, _, holdUntil, nextEnd = struct.unpack('<ddddddddddd', state[1])
  local use, asked, cap, weight, queue, pass, at, hold = struct.unpack('<dddddddd', state[2])
  local want = tonumber(ARGV[4])
  local base = string.sub(KEYS[1], 1, -5)
  local leases, log = base .. 'leases', base .. 'log'
  local known = redis.call('HMGET', leases, ARGV[2], ARGV[7])
  local back, since = 0
  if ARGV[7] ~= '' then
    local weight_, p, fence_, since_, cut = string.match(known[2] or '', '^%d+|(%d+)|([^|]+)|(%d+)|(%d+)|(%d+)|')
    -- Anything but the plain case goes the long way.
    back = p == ARGV[3] and fence_ == ARGV[8] and cut == '0' and ARGV[7] ~= ARGV[2] and tonumber(weight_) or math.huge
    since = since_
  end
  local others = used - back
  if not known[1] and waiting == 0 and others >= 0 and want <= size - taken - others and want <= cap - use + back
    and (use > back or others == 0) then
    local clock = redis.call('TIME')
    local now = clock[1] * 1000000 + clock[2]
    if now < nextEnd and holdUntil <= now and fence < now then
      local deadline = now + string.match(ARGV[1], '^%d+')
      local t = string.format('%.0f', now)
      local entry = string.format('grant %s %s %d %d %d f=%s %s', t, ARGV[3], want, others + want, size - taken, t, ARGV[2])
      if back > 0 then
        redis.call('HDEL', leases, ARGV[7])
        hold = math.max(0, now - since, math.floor(hold * 0.9))
        redis.call('XADD', log, '*', 'e', entry, 'o', ARGV[7])
      else
        redis.call('XADD', log, '*', 'e', entry)
      end
      redis.call('HSET', leases, ARGV[2],
        string.format('%.0f|%s|%s|%s|%s|0|0|%s', deadline, ARGV[4], ARGV[3], t, t, ARGV[6]))
      pass = pass + math.floor(use * math.max(0, now - at) / weight)
      redis.call('HSET', KEYS[1],
        'pool', struct.pack('<ddddddddddd', size, taken, others + want, marked, waiting, seq, wake, now, now, holdUntil,
          math.min(nextEnd, deadline)),
        'p:' .. ARGV[3], struct.pack('<dddddddd', use - back + want, asked, cap, weight, queue, pass, now, hold))
      if now % 32 == 0 then redis.call('XTRIM', log, 'MAXLEN', '~', string.match(ARGV[1], ' (%d+)')) end
      return now
    end
  end
end

--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, p, want, min, waiter, owner = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[9] or 1), ARGV[10] or ARGV[2], ARGV[6]
local runId = checkRestart(ARGV[5])
if runId == 'ask' then return {-1} end
seedIfNew()
local its = know(p)
local freed = reap()
if ARGV[7] ~= '' then
  local facts = redis.call('HGET', LEASES, ARGV[7])
  local old = facts and readLease(facts)
  if old and old.fence == tonumber(ARGV[8]) then
    drop(ARGV[7], old, 'release', now)
    freed = freed + 1
  end
end

local held = living(lease)
if held then
  local left, keep, graceLeft = renewed(lease, held)
  if freed > 0 then hint() end
  save()
  return {1, held.weight, held.fence, left, keep, graceLeft, now, runId}
end

local free = effective() - pool.used
local room = its.cap - its.use
local restarting = pool.holdUntil > now
local granted, member = 0, nil
if restarting or free <= 0 or pool.waiting > 0 then
  member = stand(p, waiter, want, min)
  if not restarting and free > 0 then granted = allot(free)[member] or 0 end
elseif math.min(free, room) >= min then
  granted = math.min(want, free, room)
else
  member = stand(p, waiter, want, min)
end

if granted == 0 then
  -- The earliest end of a lease may be later than that: then the next look finds nothing, and comes a little early.
  local wait, reason = math.max(0, math.min(LIFE, pool.nextEnd - now))
  if restarting then
    wait, reason = pool.holdUntil - now, 'restart'
  else
    reason = room <= 0 and 'capped' or free < min and 'full' or 'turn'
  end
  if freed > 0 then hint() end
  save()
  local ahead = redis.call('ZLEXCOUNT', WAITERS, '[' .. p .. '|', '(' .. member)
  return {0, ahead, wait, pool.wake, reason, now}
end

if member then
  removeWaiter(member, p, waiter)
else
  awake(p)
end
pool.fence, pool.lastGrantAt = math.max(pool.fence + 1, now), now
held = {weight = granted, p = p, fence = pool.fence, since = now, cut = 0, grace = 0, owner = owner}
adjust(p, granted, 0)
extend(held)
writeLease(lease, held)
log('grant', lease, p, granted, 'f=' .. int(held.fence))
if freed > 0 then hint() end
save()
return {1, granted, held.fence, held.deadline - now, granted, 0, now, runId}
