--[[
  Drops what older versions stored with an upstream's address, credentials included: the source and the change key of runs,
  and the provider's change key. The next run of a snapshot then reads everything once.
  KEYS[1] meta HASH  KEYS[2] runs ZSET  KEYS[3] replay runs ZSET  KEYS[4] open run STRING  KEYS[5] replay run STRING
  ARGV[1] what the key of a run's HASH starts with, before its id
  Returns how many values were dropped.
]]
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
clean(KEYS[1], "changeKey", KEY)
local ids = { redis.call("GET", KEYS[4]), redis.call("GET", KEYS[5]) }
for _, history in ipairs({ KEYS[2], KEYS[3] }) do
  for _, id in ipairs(redis.call("ZRANGE", history, 0, -1)) do
    ids[#ids + 1] = id
  end
end
for _, id in pairs(ids) do
  if id then
    clean(ARGV[1] .. id, "source", "^" .. FINGERPRINT .. "$")
    clean(ARGV[1] .. id, "changeKey", KEY)
  end
end
return dropped
