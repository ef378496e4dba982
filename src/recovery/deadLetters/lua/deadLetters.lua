--[[
  Included by scripts that touch dead letters. Expects the local `letters`: the ZSET of all letters by last failure (ms).
  The other names derive from it, all in the provider's slot:
    :one:<id>     HASH of a letter: kind class state code message run batch subject size attempts replays firstMs lastMs
                  rawBytes job; while replayed replayRun, replayKey, replayGeneration; supersededAt (µs); actor, action,
                  actionAt, reason
    :code:<code>  :class:<class>  :state:<state>   ZSETs as `letters`, of those letters alone
    :first        ZSET by first failure   :replays  ZSET by replays, of those replayed
    :jobs         HASH of the job in the failed set → letter
    :counts       HASH: code:<code>, class:<class>, state:<state>; replays, bytes: sums; countedBytes: of letters that
                  are not accepted; fullDue: a letter was born at the cap and nobody has paused the provider for it
]]
local function letterKey(id)
  return letters .. ":one:" .. id
end

local function countLetters(field, by)
  if by ~= 0 and redis.call("HINCRBY", letters .. ":counts", field, by) == 0 then
    redis.call("HDEL", letters .. ":counts", field)
  end
end

-- Puts a letter into every index, or with sign -1 takes it out of them.
local function indexLetter(id, sign)
  local l = redis.call("HMGET", letterKey(id), "code", "class", "state", "replays", "rawBytes", "job", "lastMs", "firstMs")
  if not l[1] then
    return
  end
  local code, class, state, job = l[1], l[2], l[3], l[6] or ""
  local replays, bytes = tonumber(l[4] or "0"), tonumber(l[5] or "0")
  for _, key in ipairs({ letters, letters .. ":code:" .. code, letters .. ":class:" .. class, letters .. ":state:" .. state }) do
    if sign > 0 then
      redis.call("ZADD", key, l[7], id)
    else
      redis.call("ZREM", key, id)
    end
  end
  if sign > 0 then
    redis.call("ZADD", letters .. ":first", l[8], id)
    if replays > 0 then
      redis.call("ZADD", letters .. ":replays", replays, id)
    end
    if job ~= "" then
      redis.call("HSET", letters .. ":jobs", job, id)
    end
  else
    redis.call("ZREM", letters .. ":first", id)
    redis.call("ZREM", letters .. ":replays", id)
    if job ~= "" then
      redis.call("HDEL", letters .. ":jobs", job)
    end
  end
  countLetters("code:" .. code, sign)
  countLetters("class:" .. class, sign)
  countLetters("state:" .. state, sign)
  countLetters("replays", sign * replays)
  countLetters("bytes", sign * bytes)
  if state ~= "accepted" then
    countLetters("countedBytes", sign * bytes)
  end
end

local function saveLetter(id, fields)
  indexLetter(id, -1)
  redis.call("HSET", letterKey(id), unpack(fields))
  indexLetter(id, 1)
end

local function dropLetter(id)
  indexLetter(id, -1)
  redis.call("DEL", letterKey(id))
end

-- A run counts the letters that refer to it, and apart those that refer to its staged slices.
local function holdRun(runKey, kind, by)
  if redis.call("EXISTS", runKey) == 1 then
    redis.call("HINCRBY", runKey, "letters", by)
    if kind == "batch" then
      redis.call("HINCRBY", runKey, "batchLetters", by)
    end
  end
end

-- What counts towards the cap. Returns letters and bytes.
local function countedLetters()
  local c = redis.call("HMGET", letters .. ":counts", "state:dead", "state:replaying", "countedBytes")
  return tonumber(c[1] or "0") + tonumber(c[2] or "0"), tonumber(c[3] or "0")
end

-- A letter that did not exist yet. `fields` are all but its first failure and its replays.
local function bearLetter(id, fields, lastMs, kind, runKey, maxEntries, maxBytes)
  saveLetter(id, { "state", "dead", "replays", "0", "firstMs", lastMs, "lastMs", lastMs, unpack(fields) })
  holdRun(runKey, kind, 1)
  local entries, bytes = countedLetters()
  if entries >= tonumber(maxEntries) or bytes >= tonumber(maxBytes) then
    redis.call("HSET", letters .. ":counts", "fullDue", "1")
  end
end
