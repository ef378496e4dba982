--[[
  Closes a run for good, and stores watermark and change key when it was verified. Batches that are still planned are
  cancelled with the run's error, as when a wrong configuration failed the run.

  KEYS[1] run: HASH
  KEYS[2] fences: HASH
  KEYS[3] meta: HASH
  KEYS[4] open run: STRING
  KEYS[5] status: HASH
  KEYS[6] results: HASH
  KEYS[7] replay run: STRING
  KEYS[8] unclean runs: SET
  ARGV[1] key of the acting step
  ARGV[2] its fence; "0" when an operator stops the run
  ARGV[3] run id
  ARGV[4] result
  ARGV[5] error: JSON; "" none
  ARGV[6] time: ISO
  ARGV[7] how many arguments follow for meta
  ARGV[8..] field and value, of each field of meta; "" deletes it

  Returns 1; -1 run closed; -2 superseded.
]]
local args = ARGV
local runKey, fencesKey, metaKey, openRunKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local statusKey, replayRunKey, uncleanKey = KEYS[5], KEYS[7], KEYS[8]
local stepKey, fence, runId, result, runError = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local time, FIRST_FIELD, fieldCount = ARGV[6], 8, tonumber(ARGV[7])
--- @include "checkFence.lua"

if fence == "0" then
  local state = redis.call("HGET", runKey, "state")
  if not state or state == "closed" then
    return -1
  end
else
  local refused = checkFence(runKey, fencesKey, stepKey, fence, { open = true, closing = true })
  if refused ~= 0 then
    return refused
  end
end
-- Has no effect, but must come first: out of memory, Redis accepts the writes of a script whose first write frees
-- memory. An operator must be able to stop a run because memory is short.
redis.call("HDEL", runKey, "")
local statuses = redis.call("HGETALL", statusKey)
local cancelled = 0
for i = 1, #statuses, 2 do
  if string.sub(statuses[i + 1], 1, 1) == "p" then
    redis.call("HSET", statusKey, statuses[i], "x" .. string.sub(statuses[i + 1], 2))
    cancelled = cancelled + 1
  end
end
redis.call("HSET", runKey, "state", "closed", "result", result, "endedAt", time, "cancelled", cancelled)
redis.call("HDEL", runKey, "waitingReason", "waitingUntil", "retrying")
for _, field in ipairs(redis.call("HKEYS", runKey)) do
  if string.sub(field, 1, 6) == "retry:" then
    redis.call("HDEL", runKey, field)
  end
end
if runError ~= "" then
  redis.call("HSET", runKey, "error", runError)
end
for i = FIRST_FIELD, FIRST_FIELD + fieldCount - 1, 2 do
  if args[i + 1] == "" then
    redis.call("HDEL", metaKey, args[i])
  else
    redis.call("HSET", metaKey, args[i], args[i + 1])
  end
end
-- The sums of all closed runs, for counters that never fall. In this step, so that a run is counted exactly once.
for _, name in ipairs({ "created", "updated", "unchanged", "removed", "dead", "done", "doneRecords", "deadBatches",
  "requests" }) do
  local count = redis.call("HGET", runKey, name)
  if count then
    redis.call("HINCRBY", metaKey, "total:" .. name, count)
  end
end
redis.call("HINCRBY", metaKey, "runs:" .. redis.call("HGET", runKey, "mode") .. ":" .. result, 1)
for _, pointer in ipairs({ openRunKey, replayRunKey }) do
  if redis.call("GET", pointer) == runId then
    redis.call("DEL", pointer)
  end
end
local newest = redis.call("HGET", runKey, "newestFetch")
if newest and tonumber(newest) > tonumber(redis.call("HGET", metaKey, "newestFetch") or "0") then
  redis.call("HSET", metaKey, "newestFetch", newest)
end
redis.call("SADD", uncleanKey, runId)
return 1
