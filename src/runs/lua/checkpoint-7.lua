--[[
  The checkpoint of a batch: every record of it is committed or accounted for. Marks it, plans what it discovered, and
  moves the run's checkpoint over the unbroken row of committed batches from the plan's start, never past a gap.
  KEYS[1] run HASH  KEYS[2] batches HASH  KEYS[3] status HASH  KEYS[4] order HASH  KEYS[5] fences HASH
  KEYS[6] results HASH  KEYS[7] checkpoints STREAM
  ARGV[1] batch key  ARGV[2] fence  ARGV[3] pass  ARGV[4] result JSON  ARGV[5] urn of the last record ("" none)
  ARGV[6] records  ARGV[7] newest lastModified as ms ("" none)  ARGV[8] the same as it came  ARGV[9] ISO time
  ARGV[10] run id  ARGV[11] change key JSON ("" none)  ARGV[12] checkpoints kept
  ARGV[13] listing of the batch ("" none)  ARGV[14] total of that listing
  ARGV[15] when the upstream was asked, µs (0: nothing was received)  ARGV[16..] key, JSON, ordered, …
  Returns {outstanding, new batches}; {-1} run not open; {-2} superseded; {-4} too many batches.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--- @include "checkFence.lua"
--- @include "addBatches.lua"
--- @include "retries.lua"
local batchKey, pass = ARGV[1], ARGV[3]
local refused = checkFence(runKey, KEYS[5], batchKey, ARGV[2], { open = true })
if refused ~= 0 then
  return { refused }
end
local status = redis.call("HGET", statusKey, batchKey)
local added = addBatches(pass, 16, #ARGV)
if added < 0 then
  return { added }
end
if string.sub(status, 1, 1) == "p" then
  redis.call("HSET", statusKey, batchKey, "c" .. string.sub(status, 2))
  redis.call("HINCRBY", runKey, "outstanding", -1)
  countBatch(runKey, batchKey, "done", 1)
end
if ARGV[13] ~= "" and redis.call("HSETNX", runKey, "listing:" .. ARGV[13], ARGV[14]) == 1 then
  redis.call("HINCRBY", runKey, "expected:" .. pass, ARGV[14])
end
redis.call("HSET", KEYS[6], batchKey, ARGV[4])
redis.call("HDEL", runKey .. ":work", batchKey)
redis.call("HDEL", runKey .. ":deaths", batchKey)
redis.call("HDEL", runKey, "waitingReason", "waitingUntil")
clearRetry(runKey, batchKey)
if ARGV[7] ~= "" then
  local newest = redis.call("HGET", runKey, "newestMs")
  if not newest or tonumber(ARGV[7]) > tonumber(newest) then
    redis.call("HSET", runKey, "newestMs", ARGV[7], "newest", ARGV[8])
  end
end
if tonumber(ARGV[15]) > tonumber(redis.call("HGET", runKey, "newestFetch") or "0") then
  redis.call("HSET", runKey, "newestFetch", ARGV[15])
end
if ARGV[11] ~= "" then
  redis.call("HSET", runKey, "changeKey", ARGV[11])
end
if ARGV[5] ~= "" then
  redis.call("XADD", KEYS[7], "MAXLEN", "~", ARGV[12], "*", "urn", ARGV[5], "run", ARGV[10], "batch", batchKey,
    "pass", pass, "records", ARGV[6], "at", ARGV[9], "ok", "1")
end
local prefix = tonumber(redis.call("HGET", runKey, "prefix:" .. pass) or "0")
local moved = false
while true do
  local key = redis.call("HGET", orderKey, pass .. ":" .. (prefix + 1))
  if not key then
    break
  end
  local state = redis.call("HGET", statusKey, key)
  if not state or string.sub(state, 1, 1) ~= "c" then
    break
  end
  prefix = prefix + 1
  moved = true
  local urn = cjson.decode(redis.call("HGET", KEYS[6], key)).urn
  if type(urn) == "string" then
    redis.call("HSET", runKey, "checkpoint", urn)
  end
end
if moved then
  redis.call("HSET", runKey, "prefix:" .. pass, prefix)
end
return { tonumber(redis.call("HGET", runKey, "outstanding")), added }
