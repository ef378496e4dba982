--[[
  A batch gave up: marks it dead and creates its dead letter, before its job goes to the failed set. A dead letter
  that is replayed and fails again is dead again: it keeps its first failure and its replays.

  KEYS[1] run: HASH
  KEYS[2] status: HASH
  KEYS[3] fences: HASH
  KEYS[4] results: HASH
  KEYS[5] checkpoints: STREAM
  KEYS[6] dead letters: ZSET
  ARGV[1] batch key
  ARGV[2] fence; "" when the reconciler found the job failed
  ARGV[3] result: JSON with the error
  ARGV[4] kind: "record" for the batch of one bad record, else "batch"
  ARGV[5] urn; "" none
  ARGV[6] error code
  ARGV[7] time: ISO
  ARGV[8] run id
  ARGV[9] checkpoints that are kept
  ARGV[10] records that the batch was planned with; 0 in a replay run
  ARGV[11] dead letter id
  ARGV[12] time of the failure, ms
  ARGV[13] cap: dead letters
  ARGV[14] cap: raw bytes
  ARGV[15..] field and value, of each field that a failure sets; then "|"; then of each field that only a new
    dead letter gets

  Returns {outstanding, dead letters, their raw bytes, 1 when the dead letter is new}; {-1} run not open; {-2}
  superseded; {-3} not planned any more.
]]
local args = ARGV
local runKey, statusKey, fencesKey, resultsKey, checkpointsKey, deadLetters = unpack(KEYS)
local batchKey, fence, result, kind, urn, errorCode = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local time, runId, checkpointsKept, size = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local id, failedMs, maxEntries, maxBytes, FIRST_FIELD = ARGV[11], ARGV[12], ARGV[13], ARGV[14], 15
--- @include "../../../runs/lua/checkFence.lua"
--- @include "deadLetters.lua"
--- @include "../../../runs/lua/countBatch.lua"
--- @include "../../../runs/lua/retries.lua"

if fence ~= "" then
  local refused = checkFence(runKey, fencesKey, batchKey, fence, { open = true })
  if refused ~= 0 then
    return { refused }
  end
elseif redis.call("HGET", runKey, "state") ~= "open" then
  return { -1 }
end
local status = redis.call("HGET", statusKey, batchKey)
if not status or string.sub(status, 1, 1) ~= "p" then
  return { -3 }
end
redis.call("HSET", statusKey, batchKey, "d" .. string.sub(status, 2))
redis.call("HSET", resultsKey, batchKey, result)
countBatch(runKey, batchKey, "done", 1)
redis.call("HDEL", runKey .. ":work", batchKey)
redis.call("HDEL", runKey .. ":deaths", batchKey)
clearRetry(runKey, batchKey)
if kind == "batch" then
  redis.call("HINCRBY", runKey, "deadBatches", 1)
  redis.call("HINCRBY", runKey, "deadSize", size)
end
redis.call("XADD", checkpointsKey, "MAXLEN", "~", checkpointsKept, "*", "urn", urn, "run", runId, "batch", batchKey,
  "pass", redis.call("HGET", runKey, "pass"), "records", "0", "at", time, "ok", "0", "error", errorCode)

local fields, isNew = {}, redis.call("EXISTS", deadLetterKey(id)) == 0
for i = FIRST_FIELD, #args do
  if args[i] == "|" then
    if not isNew then
      break
    end
  else
    fields[#fields + 1] = args[i]
  end
end
if isNew then
  createDeadLetter(id, fields, failedMs, kind, runKey, maxEntries, maxBytes)
else
  redis.call("HINCRBY", runKey, "deadAgain", 1)
  saveDeadLetter(id, { "state", "dead", "lastMs", failedMs, "replayRun", "", "replayKey", "", unpack(fields) })
end
local entries, bytes = countedDeadLetters()
return { redis.call("HINCRBY", runKey, "outstanding", -1), entries, bytes, isNew and 1 or 0 }
