--[[
Takes one slot of an upstream's rolling window, or says how long to wait. Idempotent: taking the same slot id again gives
the old slot back first, so a client that resends a command whose answer got lost holds one slot, not two.

KEYS[1] slots  ZSET: slot -> µs by TIME at which it frees; "<id>" granted, "<id>+" its request was sent
KEYS[2] state  HASH: redisRunId, settledRunId, lastGrantAt, blockedUntil, blockedCode, overloads, overloadedAt
ARGV[1] slot id
ARGV[2] slots per window; 0 = unlimited
ARGV[3] µs from the grant at which the slot frees unless it is marked as sent (send delay + window + margin)
ARGV[4] µs by TIME of the last clean stop of Redis, 0 = none, -1 = not looked up
ARGV[5] µs by TIME of the caller's last grant, 0 = none
ARGV[6] run id of the Redis that gave it, '' = none
ARGV[7] µs by which a slot frees earlier than ARGV[3] says when its request is sent at once

Returns {1, now µs, overloads in a row, run id}         granted
        {0, µs to wait, code of the reason}             wait, then ask again
        {-1}                                            Redis has restarted: call again with ARGV[4] looked up
]]
local slots, state = KEYS[1], KEYS[2]
local id, max, hold = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local cleanStop, ownGrantAt, ownRunId = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Read here, not by the client: a client's idea of who it talks to may be older than its connection.
-- A user that may not read INFO goes without: nothing then tells a restart.
local info = redis.pcall('INFO', 'server')
local runId = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''

redis.call('ZREM', slots, id)
local facts = redis.call('HMGET', state, 'redisRunId', 'settledRunId', 'lastGrantAt', 'blockedUntil', 'blockedCode', 'overloads')
local blockedUntil, blockedCode = tonumber(facts[4] or 0), facts[5]

if max > 0 and runId ~= '' then
  local storeIsOlder = facts[1] and facts[1] ~= runId
  local callerIsOlder = ownRunId ~= '' and ownRunId ~= runId and facts[2] ~= runId
  if storeIsOlder or callerIsOlder then
    if cleanStop < 0 then return {-1} end
    -- Uptime is in whole seconds; the greater of the possible starts is the safe one.
    local started = (tonumber(time[1]) - tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) + 1) * 1000000
    local lastGrantAt = tonumber(facts[3] or 0)
    if callerIsOlder and ownGrantAt > lastGrantAt then lastGrantAt = ownGrantAt end
    local clean = cleanStop >= lastGrantAt and cleanStop > 0 and cleanStop <= started
    -- Up since before the last grant: no restart, a replica took over, and it did so just now.
    local from = lastGrantAt > started and now or started
    if not clean and from + hold > blockedUntil then
      blockedUntil, blockedCode = from + hold, 'PROV_RATE_WAIT'
      redis.call('HSET', state, 'blockedUntil', string.format('%.0f', blockedUntil), 'blockedCode', blockedCode)
    end
    redis.call('HSET', state, 'redisRunId', runId, 'settledRunId', runId)
  elseif not facts[1] then
    redis.call('HSET', state, 'redisRunId', runId)
  end
end

if blockedUntil > now then
  return {0, blockedUntil - now, blockedCode or 'PROV_THROTTLED'}
end

if max > 0 then
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', string.format('%.0f', now))
  local used = redis.call('ZCARD', slots)
  if used >= max then
    -- More than max lie here after the rate was lowered: as many must free first.
    local frees = redis.call('ZRANGE', slots, used - max, used - max, 'WITHSCORES')
    local wait = tonumber(frees[2]) - now
    -- Not marked as sent yet, but soon will be: worth asking when it frees then.
    if string.sub(frees[1], -1) ~= '+' then wait = math.max(wait - tonumber(ARGV[7]), math.min(wait, 100000)) end
    return {0, wait, 'PROV_RATE_WAIT'}
  end
  redis.call('ZADD', slots, string.format('%.0f', now + hold), id)
  redis.call('HSET', state, 'lastGrantAt', string.format('%.0f', now))
end
return {1, now, tonumber(facts[6] or 0), runId}
