--[[
  Included by scripts that touch dead letters. Expects the local `deadLetters`: the key of the ZSET of all dead
  letters by last failure (ms). The other keys derive from it, all in the provider's slot:

    :one:<id>     HASH of a dead letter: kind class state code message run batch subject size attempts replays
                  firstMs lastMs rawBytes job; while it is replayed replayRun, replayKey, replayGeneration;
                  supersededAt (µs); actor, action, actionAt, reason
    :code:<code>  :class:<class>  :state:<state>   ZSETs of these dead letters by last failure
    :first        ZSET by first failure
    :replays      ZSET by replays, of those that were replayed
    :jobs         HASH: job in the failed set → dead letter
    :counts       HASH: code:<code>, class:<class>, state:<state>; replays, bytes: sums; countedBytes: of dead
                  letters that are not accepted; fullDue: a dead letter was created at the cap and the provider
                  is not paused for it yet
]]
local function deadLetterKey(id)
  return deadLetters .. ":one:" .. id
end

local function addCount(field, by)
  if by ~= 0 and redis.call("HINCRBY", deadLetters .. ":counts", field, by) == 0 then
    redis.call("HDEL", deadLetters .. ":counts", field)
  end
end

-- Adds a dead letter to every index, or with sign -1 removes it from them.
local function indexDeadLetter(id, sign)
  local l = redis.call("HMGET", deadLetterKey(id), "code", "class", "state", "replays", "rawBytes", "job", "lastMs",
    "firstMs")
  if not l[1] then
    return
  end
  local code, class, state, job = l[1], l[2], l[3], l[6] or ""
  local replays, bytes = tonumber(l[4] or "0"), tonumber(l[5] or "0")
  local byCode, byClass = deadLetters .. ":code:" .. code, deadLetters .. ":class:" .. class
  for _, key in ipairs({ deadLetters, byCode, byClass, deadLetters .. ":state:" .. state }) do
    if sign > 0 then
      redis.call("ZADD", key, l[7], id)
    else
      redis.call("ZREM", key, id)
    end
  end
  if sign > 0 then
    redis.call("ZADD", deadLetters .. ":first", l[8], id)
    if replays > 0 then
      redis.call("ZADD", deadLetters .. ":replays", replays, id)
    end
    if job ~= "" then
      redis.call("HSET", deadLetters .. ":jobs", job, id)
    end
  else
    redis.call("ZREM", deadLetters .. ":first", id)
    redis.call("ZREM", deadLetters .. ":replays", id)
    if job ~= "" then
      redis.call("HDEL", deadLetters .. ":jobs", job)
    end
  end
  addCount("code:" .. code, sign)
  addCount("class:" .. class, sign)
  addCount("state:" .. state, sign)
  addCount("replays", sign * replays)
  addCount("bytes", sign * bytes)
  if state ~= "accepted" then
    addCount("countedBytes", sign * bytes)
  end
end

local function saveDeadLetter(id, fields)
  indexDeadLetter(id, -1)
  redis.call("HSET", deadLetterKey(id), unpack(fields))
  indexDeadLetter(id, 1)
end

local function removeDeadLetter(id)
  indexDeadLetter(id, -1)
  redis.call("DEL", deadLetterKey(id))
end

-- A run counts the dead letters that refer to it, and apart those that refer to its staged slices.
local function countReference(runKey, kind, by)
  if redis.call("EXISTS", runKey) == 1 then
    redis.call("HINCRBY", runKey, "letters", by)
    if kind == "batch" then
      redis.call("HINCRBY", runKey, "batchLetters", by)
    end
  end
end

-- Returns what counts towards the cap: dead letters and raw bytes.
local function countedDeadLetters()
  local c = redis.call("HMGET", deadLetters .. ":counts", "state:dead", "state:replaying", "countedBytes")
  return tonumber(c[1] or "0") + tonumber(c[2] or "0"), tonumber(c[3] or "0")
end

-- Creates a dead letter. `fields` are all but its first failure and its replays.
local function createDeadLetter(id, fields, lastMs, kind, runKey, maxEntries, maxBytes)
  saveDeadLetter(id, { "state", "dead", "replays", "0", "firstMs", lastMs, "lastMs", lastMs, unpack(fields) })
  countReference(runKey, kind, 1)
  local entries, bytes = countedDeadLetters()
  if entries >= tonumber(maxEntries) or bytes >= tonumber(maxBytes) then
    redis.call("HSET", deadLetters .. ":counts", "fullDue", "1")
  end
end
