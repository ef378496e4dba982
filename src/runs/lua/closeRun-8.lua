--[[
  Closes the run for ever; moves watermark and change key when it was verified. Batches still planned are cancelled with
  the run's error (a run that a wrong configuration failed at once).
  KEYS[1] run HASH  KEYS[2] fences HASH  KEYS[3] meta HASH  KEYS[4] open run STRING  KEYS[5] status HASH
  KEYS[6] results HASH  KEYS[7] replay run STRING  KEYS[8] unclean runs SET
  ARGV[1] key of the acting step  ARGV[2] its fence (0: a person stops the run)  ARGV[3] run id  ARGV[4] result  ARGV[5] error JSON ("" none)
  ARGV[6] ISO time  ARGV[7] number of meta fields  ARGV[8..] field, value, … of meta ("" deletes)
  Returns 1; -1 run closed; -2 superseded.
]]
--- @include "checkFence.lua"
if ARGV[2] == "0" then
  local state = redis.call("HGET", KEYS[1], "state")
  if not state or state == "closed" then
    return -1
  end
else
  local refused = checkFence(KEYS[1], KEYS[2], ARGV[1], ARGV[2], { open = true, closing = true })
  if refused ~= 0 then
    return refused
  end
end
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees. Whoever stops a
-- run because memory is short must be able to.
redis.call("HDEL", KEYS[1], "")
local statuses = redis.call("HGETALL", KEYS[5])
local cancelled = 0
for i = 1, #statuses, 2 do
  if string.sub(statuses[i + 1], 1, 1) == "p" then
    redis.call("HSET", KEYS[5], statuses[i], "x" .. string.sub(statuses[i + 1], 2))
    cancelled = cancelled + 1
  end
end
redis.call("HSET", KEYS[1], "state", "closed", "result", ARGV[4], "endedAt", ARGV[6], "cancelled", cancelled)
redis.call("HDEL", KEYS[1], "waitingReason", "waitingUntil", "retrying")
for _, field in ipairs(redis.call("HKEYS", KEYS[1])) do
  if string.sub(field, 1, 6) == "retry:" then
    redis.call("HDEL", KEYS[1], field)
  end
end
if ARGV[5] ~= "" then
  redis.call("HSET", KEYS[1], "error", ARGV[5])
end
for i = 8, 7 + tonumber(ARGV[7]), 2 do
  if ARGV[i + 1] == "" then
    redis.call("HDEL", KEYS[3], ARGV[i])
  else
    redis.call("HSET", KEYS[3], ARGV[i], ARGV[i + 1])
  end
end
-- What all closed runs did together, for counters that never fall; in this step, so that a run is counted once, here or there.
for _, name in ipairs({ "created", "updated", "unchanged", "removed", "dead", "done", "doneRecords", "deadBatches",
  "requests" }) do
  local count = redis.call("HGET", KEYS[1], name)
  if count then
    redis.call("HINCRBY", KEYS[3], "total:" .. name, count)
  end
end
redis.call("HINCRBY", KEYS[3], "runs:" .. redis.call("HGET", KEYS[1], "mode") .. ":" .. ARGV[4], 1)
for _, pointer in ipairs({ KEYS[4], KEYS[7] }) do
  if redis.call("GET", pointer) == ARGV[3] then
    redis.call("DEL", pointer)
  end
end
local newest = redis.call("HGET", KEYS[1], "newestFetch")
if newest and tonumber(newest) > tonumber(redis.call("HGET", KEYS[3], "newestFetch") or "0") then
  redis.call("HSET", KEYS[3], "newestFetch", newest)
end
redis.call("SADD", KEYS[8], ARGV[3])
return 1
