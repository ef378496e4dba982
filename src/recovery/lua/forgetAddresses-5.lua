--[[
  Drops what older versions stored with an upstream's address, credentials included: the source and the change key of
  runs, and the provider's change key. The next run of a snapshot then reads everything once.

  KEYS[1] meta: HASH
  KEYS[2] runs: ZSET
  KEYS[3] replay runs: ZSET
  KEYS[4] open run: STRING
  KEYS[5] replay run: STRING
  ARGV[1] prefix of the key of a run's HASH, before its id

  Returns how many values were dropped.
]]
local metaKey, runsKey, replayRunsKey, openRunKey, replayRunKey = unpack(KEYS)
local runPrefix = ARGV[1]

-- A version and 16 hex digits.
local FINGERPRINT = "%d+ " .. string.rep("%x", 16)
local dropped = 0
local function clean(hash, field, allowed)
  local value = redis.call("HGET", hash, field)
  if value and not string.find(value, allowed) then
    redis.call("HDEL", hash, field)
    dropped = dropped + 1
  end
end
local KEY = '^{"source":"' .. FINGERPRINT .. '"'
clean(metaKey, "changeKey", KEY)
local ids = { redis.call("GET", openRunKey), redis.call("GET", replayRunKey) }
for _, history in ipairs({ runsKey, replayRunsKey }) do
  for _, id in ipairs(redis.call("ZRANGE", history, 0, -1)) do
    ids[#ids + 1] = id
  end
end
for _, id in pairs(ids) do
  if id then
    clean(runPrefix .. id, "source", "^" .. FINGERPRINT .. "$")
    clean(runPrefix .. id, "changeKey", KEY)
  end
end
return dropped
