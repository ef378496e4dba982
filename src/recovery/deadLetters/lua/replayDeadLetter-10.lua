--[[
  The first step of a replay: takes a dead letter, raises its generation and plans its batch again, all or nothing. A
  second caller finds it taken. The job is added afterwards from the plan, by this caller or by the reconciler.
    - in the open run, when that is the dead letter's own run, or when that run has received the bad record itself;
    - else in the replay run, which is created when there is none, and opens when no other run is open.

  KEYS[1] dead letters: ZSET
  KEYS[2] open run: STRING
  KEYS[3] replay run: STRING
  KEYS[4] run, of the open run: HASH
  KEYS[5] batches, of the open run: HASH
  KEYS[6] status, of the open run: HASH
  KEYS[7] run, of the replay run: HASH
  KEYS[8] batches, of the replay run: HASH
  KEYS[9] status, of the replay run: HASH
  KEYS[10] order, of the replay run: HASH
  ARGV[1] dead letter id
  ARGV[2] replays that were read
  ARGV[3] open run that was read; "" none
  ARGV[4] replay run that was read; "" none
  ARGV[5] id of the replay run to use
  ARGV[6] batch key in the open run; "" when it cannot be there
  ARGV[7] JSON of that batch, where it may be new there
  ARGV[8] kind: "record" for a bad record, else "batch"
  ARGV[9] batch key in the replay run
  ARGV[10] JSON of that batch
  ARGV[11] actor
  ARGV[12] time: ISO
  ARGV[13] reason; "" none
  ARGV[14] records that the batch was planned with
  ARGV[15..] field and value, of each field of a new replay run

  Returns {1, run id, batch key, generation, state of the run}; {0, state of the dead letter}; {-1} there is no such
  dead letter; {-2} something moved: read again.
]]
local args = ARGV
local deadLetters, openRunKey, replayRunKey = KEYS[1], KEYS[2], KEYS[3]
local openKey, openBatchesKey, openStatusKey = KEYS[4], KEYS[5], KEYS[6]
local replayKey, replayBatchesKey, replayStatusKey, replayOrderKey = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local id, replaysRead, open, replayRunRead, replayRunId = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, json, kind, keyInReplay, jsonInReplay = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local actor, time, reason, size, FIRST_FIELD = ARGV[11], ARGV[12], ARGV[13], tonumber(ARGV[14]), 15
--- @include "deadLetters.lua"
--- @include "../../../runs/lua/errorBase.lua"
--- @include "../../../runs/lua/countBatch.lua"

local read = redis.call("HMGET", deadLetterKey(id), "state", "replays")
if not read[1] then
  return { -1 }
elseif read[1] ~= "dead" then
  return { 0, read[1] }
elseif read[2] ~= replaysRead or (redis.call("GET", openRunKey) or "") ~= open
  or (redis.call("GET", replayRunKey) or "") ~= replayRunRead then
  return { -2 }
end

local function taken(run, batch, generation, runState)
  local replays = tonumber(replaysRead) + 1
  saveDeadLetter(id, { "state", "replaying", "replays", replays, "replayRun", run, "replayKey", batch,
    "replayGeneration", generation, "action", "replay", "actor", actor, "actionAt", time, "reason", reason })
  return { 1, run, batch, generation, runState }
end

if open ~= "" and key ~= "" and redis.call("HGET", openKey, "state") == "open" then
  local status = redis.call("HGET", openStatusKey, key)
  local code = status and string.sub(status, 1, 1)
  -- A record may be new to the run that has met it; of a batch only the dead one is taken up again.
  local again = code == "d"
  if kind == "record" then
    again = code ~= "p"
  end
  if again then
    local generation = status and tonumber(string.sub(status, 2)) + 1 or 1
    if not status then
      redis.call("HSET", openBatchesKey, key, json)
      countBatch(openKey, key, "planned", 1)
    else
      countBatch(openKey, key, "done", -1)
    end
    redis.call("HSET", openStatusKey, key, "p" .. generation)
    if redis.call("HINCRBY", openKey, "outstanding", 1) == 1 then
      -- The run's last step may have been added already: the next one is another job.
      redis.call("HINCRBY", openKey, "finishGeneration", 1)
    end
    if kind == "batch" then
      redis.call("HINCRBY", openKey, "deadBatches", -1)
      redis.call("HINCRBY", openKey, "deadSize", -size)
      clampErrorBase(openKey)
    end
    return taken(open, key, generation, "open")
  end
end

local state = redis.call("HGET", replayKey, "state")
if not state then
  for i = FIRST_FIELD, #args, 2 do
    redis.call("HSET", replayKey, args[i], args[i + 1])
  end
  redis.call("SET", replayRunKey, replayRunId)
  state = "waiting"
elseif state ~= "waiting" and state ~= "open" then
  return { -2 }
end
redis.call("HSET", replayBatchesKey, keyInReplay, jsonInReplay)
redis.call("HSET", replayStatusKey, keyInReplay, "p1")
local ordinal = redis.call("HINCRBY", replayKey, "ordinals:1", 1)
redis.call("HSET", replayOrderKey, "1:" .. ordinal, keyInReplay)
if redis.call("HINCRBY", replayKey, "outstanding", 1) == 1 then
  redis.call("HINCRBY", replayKey, "finishGeneration", 1)
end
redis.call("HINCRBY", replayKey, "planned", 1)
return taken(replayRunId, keyInReplay, 1, state)
