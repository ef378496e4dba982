--[[
Gives a lease's permits back. Idempotent; of an unknown or ended lease, or one with another fence, it takes nothing.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] lease  [3] its fence, 0 = whichever  [4] its provider, '' = not known

Returns now where one permit was given back and nothing else was to be done, else {permits given back, now}
]]
-- The way of most, as in acquire: nobody waits, no lease has ended.
local state = redis.call('HMGET', KEYS[1], 'pool', 'p:' .. ARGV[4])
if state[1] and state[2] then
  local size, taken, used, marked, waiting, seq, wake, lastFence, granted, holdUntil, nextEnd =
    struct.unpack('<ddddddddddd', state[1])
  if waiting == 0 then
    local clock = redis.call('TIME')
    local now = clock[1] * 1000000 + clock[2]
    local base = string.sub(KEYS[1], 1, -5)
    local facts = now < nextEnd and redis.call('HGET', base .. 'leases', ARGV[2])
    if facts then
      local held, p, fence, since, cut = string.match(facts, '^%d+|(%d+)|([^|]+)|(%d+)|(%d+)|(%d+)|')
      -- @safeguard release-owner-fast
      if p == ARGV[4] and fence == ARGV[3] then
        local use, asked, cap, weight, queue, pass, at, hold = struct.unpack('<dddddddd', state[2])
        redis.call('HDEL', base .. 'leases', ARGV[2])
        pass = pass + math.floor(use * math.max(0, now - at) / weight)
        hold = math.max(0, now - since, math.floor(hold * 0.9))
        redis.call('HSET', KEYS[1],
          'pool', struct.pack('<ddddddddddd', size, taken, used - held, marked - cut, waiting, seq, wake, lastFence, granted,
            holdUntil, nextEnd),
          'p:' .. p, struct.pack('<dddddddd', use - held, asked - cut, cap, weight, queue, pass, now, hold))
        local t = string.format('%.0f', now)
        redis.call('XADD', base .. 'log', '*', 'e', string.format('release %s %s %s %d %d d=%s %s', t, p, held, used - held,
          size - taken, t, ARGV[2]))
        if held == '1' then return now end
        return {tonumber(held), now}
      end
    end
  end
end

--- @include "pool.lua"
--- @include "waiters.lua"
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call('HDEL', LEASES, '')
local freed = reap()
local fence, given = tonumber(ARGV[3]), 0
local facts = redis.call('HGET', LEASES, ARGV[2])
local held = facts and readLease(facts)
-- @safeguard release-owner
if held and (fence == 0 or held.fence == fence) then
  given = held.weight
  drop(ARGV[2], held, 'release', now)
end
if given > 0 or freed > 0 then hint() end
save()
return {given, now}
