--[[
  The first step of a replay: takes a dead letter, raises its generation and plans its batch anew, all or nothing. Whoever
  comes second finds it taken. The job is added afterwards, from the plan, by this caller or by whoever mends.
    - in the open run, when that is the letter's own, or when it has met the bad record itself;
    - else in the replay run, which is created when there is none, and opens when no other run is open.
  KEYS[1] letters ZSET  KEYS[2] open run STRING  KEYS[3] replay run STRING
  KEYS[4] run HASH  KEYS[5] batches HASH  KEYS[6] status HASH    of the open run
  KEYS[7] run HASH  KEYS[8] batches HASH  KEYS[9] status HASH  KEYS[10] order HASH  of the replay run
  ARGV[1] letter id  ARGV[2] replays that were read  ARGV[3] open run that was read ("" none)
  ARGV[4] replay run that was read ("" none)  ARGV[5] id of the replay run to use
  ARGV[6] its key in the open run ("" it cannot be there)  ARGV[7] JSON of that batch, where it may be new there
  ARGV[8] "record" for a bad record, else "batch"
  ARGV[9] its key in the replay run  ARGV[10] JSON of that batch
  ARGV[11] actor  ARGV[12] ISO time  ARGV[13] reason ("" none)  ARGV[14] records the batch was planned with
  ARGV[15..] field, value, … of a new replay run
  Returns {1, run id, batch key, generation, state of the run}; {0, state of the letter}; {-1} there is no such letter;
  {-2} something moved: read again.
]]
local letters = KEYS[1]
--- @include "deadLetters.lua"
--- @include "../../../runs/lua/errorBase.lua"
--- @include "../../../runs/lua/countBatch.lua"
local id, open, key = ARGV[1], ARGV[3], ARGV[6]
local read = redis.call("HMGET", letterKey(id), "state", "replays")
if not read[1] then
  return { -1 }
elseif read[1] ~= "dead" then
  return { 0, read[1] }
elseif read[2] ~= ARGV[2] or (redis.call("GET", KEYS[2]) or "") ~= open or (redis.call("GET", KEYS[3]) or "") ~= ARGV[4] then
  return { -2 }
end

local function taken(run, batch, generation, state)
  local replays = tonumber(ARGV[2]) + 1
  saveLetter(id, { "state", "replaying", "replays", replays, "replayRun", run, "replayKey", batch,
    "replayGeneration", generation, "action", "replay", "actor", ARGV[11], "actionAt", ARGV[12], "reason", ARGV[13] })
  return { 1, run, batch, generation, state }
end

if open ~= "" and key ~= "" and redis.call("HGET", KEYS[4], "state") == "open" then
  local status = redis.call("HGET", KEYS[6], key)
  local letter = status and string.sub(status, 1, 1)
  -- A record may be new to the run that has met it; of a batch only the dead one is taken up again.
  local again = letter == "d"
  if ARGV[8] == "record" then
    again = letter ~= "p"
  end
  if again then
    local generation = status and tonumber(string.sub(status, 2)) + 1 or 1
    if not status then
      redis.call("HSET", KEYS[5], key, ARGV[7])
      countBatch(KEYS[4], key, "planned", 1)
    else
      countBatch(KEYS[4], key, "done", -1)
    end
    redis.call("HSET", KEYS[6], key, "p" .. generation)
    if redis.call("HINCRBY", KEYS[4], "outstanding", 1) == 1 then
      -- The run's last step may have been added already: the next one is another job.
      redis.call("HINCRBY", KEYS[4], "finishGeneration", 1)
    end
    if ARGV[8] == "batch" then
      redis.call("HINCRBY", KEYS[4], "deadBatches", -1)
      redis.call("HINCRBY", KEYS[4], "deadSize", -tonumber(ARGV[14]))
      clampErrorBase(KEYS[4])
    end
    return taken(open, key, generation, "open")
  end
end

local state = redis.call("HGET", KEYS[7], "state")
if not state then
  for i = 15, #ARGV, 2 do
    redis.call("HSET", KEYS[7], ARGV[i], ARGV[i + 1])
  end
  redis.call("SET", KEYS[3], ARGV[5])
  state = "waiting"
elseif state ~= "waiting" and state ~= "open" then
  return { -2 }
end
redis.call("HSET", KEYS[8], ARGV[9], ARGV[10])
redis.call("HSET", KEYS[9], ARGV[9], "p1")
local ordinal = redis.call("HINCRBY", KEYS[7], "ordinals:1", 1)
redis.call("HSET", KEYS[10], "1:" .. ordinal, ARGV[9])
if redis.call("HINCRBY", KEYS[7], "outstanding", 1) == 1 then
  redis.call("HINCRBY", KEYS[7], "finishGeneration", 1)
end
redis.call("HINCRBY", KEYS[7], "planned", 1)
return taken(ARGV[5], ARGV[9], 1, state)
