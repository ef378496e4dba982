--[[
  Notes for the run's status that a batch failed and is tried again. The checkpoint, the dead letter or the end of the
  run clears the note. Informative, so it needs no fence. The number of notes is bounded.

  KEYS[1] run: HASH
  ARGV[1] batch key
  ARGV[2] error code
  ARGV[3] message
  ARGV[4] attempt that failed, from 1
  ARGV[5] attempts that are allowed
  ARGV[6] delay until the next attempt, ms
  ARGV[7] most batches that are noted

  Returns 1; 0 when the run is not open, or enough batches are noted.
]]
local runKey, batch, code, message = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local attempt, attempts, delayMs, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local state = redis.call("HGET", runKey, "state")
if state ~= "open" and state ~= "closing" then
  return 0
end
local field = "retry:" .. batch
if redis.call("HEXISTS", runKey, field) == 0 then
  if tonumber(redis.call("HGET", runKey, "retrying") or "0") >= most then
    return 0
  end
  redis.call("HINCRBY", runKey, "retrying", 1)
end
local time = redis.call("TIME")
local next = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + delayMs
redis.call("HSET", runKey, field, cjson.encode({ code = code, message = message, attempt = attempt,
  attempts = attempts, nextMs = next }))
return 1
