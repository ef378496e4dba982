--[[
  A batch gave up: marks it dead and writes its dead letter, before its job goes to the failed set. A letter that is
  replayed and fails again is dead again: it keeps its first failure and its replays.
  KEYS[1] run HASH  KEYS[2] status HASH  KEYS[3] fences HASH  KEYS[4] results HASH  KEYS[5] checkpoints STREAM
  KEYS[6] letters ZSET
  ARGV[1] batch key  ARGV[2] fence ("" by the reconciler, which saw the job failed)  ARGV[3] result JSON with the error
  ARGV[4] "record" for the job of one bad record, else "batch"  ARGV[5] urn or ""  ARGV[6] error code  ARGV[7] ISO time
  ARGV[8] run id  ARGV[9] checkpoints kept  ARGV[10] records that the batch was planned with (0: of a replay run)
  ARGV[11] letter id  ARGV[12] ms of the failure  ARGV[13] letters that fill the cap  ARGV[14] raw bytes that fill the cap
  ARGV[15..] fields of the letter: code, class, message, attempts, job, rawBytes; of a new letter also kind, run, batch,
  subject, size, after the "|" that ends the first row
  Returns {outstanding, letters, their raw bytes, 1 when the letter is new}; {-1} run not open; {-2} superseded;
  {-3} not planned any more.
]]
local letters = KEYS[6]
--- @include "../../../runs/lua/checkFence.lua"
--- @include "deadLetters.lua"
--- @include "../../../runs/lua/countBatch.lua"
--- @include "../../../runs/lua/retries.lua"
if ARGV[2] ~= "" then
  local refused = checkFence(KEYS[1], KEYS[3], ARGV[1], ARGV[2], { open = true })
  if refused ~= 0 then
    return { refused }
  end
elseif redis.call("HGET", KEYS[1], "state") ~= "open" then
  return { -1 }
end
local status = redis.call("HGET", KEYS[2], ARGV[1])
if not status or string.sub(status, 1, 1) ~= "p" then
  return { -3 }
end
redis.call("HSET", KEYS[2], ARGV[1], "d" .. string.sub(status, 2))
redis.call("HSET", KEYS[4], ARGV[1], ARGV[3])
countBatch(KEYS[1], ARGV[1], "done", 1)
redis.call("HDEL", KEYS[1] .. ":work", ARGV[1])
redis.call("HDEL", KEYS[1] .. ":deaths", ARGV[1])
clearRetry(KEYS[1], ARGV[1])
if ARGV[4] == "batch" then
  redis.call("HINCRBY", KEYS[1], "deadBatches", 1)
  redis.call("HINCRBY", KEYS[1], "deadSize", ARGV[10])
end
redis.call("XADD", KEYS[5], "MAXLEN", "~", ARGV[9], "*", "urn", ARGV[5], "run", ARGV[8], "batch", ARGV[1],
  "pass", redis.call("HGET", KEYS[1], "pass"), "records", "0", "at", ARGV[7], "ok", "0", "error", ARGV[6])

local id, fields, isNew = ARGV[11], {}, redis.call("EXISTS", letterKey(ARGV[11])) == 0
for i = 15, #ARGV do
  if ARGV[i] == "|" then
    if not isNew then
      break
    end
  else
    fields[#fields + 1] = ARGV[i]
  end
end
if isNew then
  bearLetter(id, fields, ARGV[12], ARGV[4], KEYS[1], ARGV[13], ARGV[14])
else
  redis.call("HINCRBY", KEYS[1], "deadAgain", 1)
  saveLetter(id, { "state", "dead", "lastMs", ARGV[12], "replayRun", "", "replayKey", "", unpack(fields) })
end
local entries, bytes = countedLetters()
return { redis.call("HINCRBY", KEYS[1], "outstanding", -1), entries, bytes, isNew and 1 or 0 }
