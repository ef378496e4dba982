--[[
  A worker says that it lives, and what it measured; the long dead are forgotten.
  KEYS[1] workers ZSET  KEYS[2] worker facts HASH  KEYS[3] worker beats HASH
  ARGV[1] worker id  ARGV[2] facts JSON  ARGV[3] ms that this word holds  ARGV[4] ms after which the dead are forgotten
  ARGV[5] "1" when this is a heartbeat: what the facts tell was measured now
  Returns the time by Redis in ms.
]]
--- @include "../../redis/lua/time.lua"
--- @include "livingWorkers.lua"
local now = nowMs()
clampWords(KEYS[1], KEYS[3], now, tonumber(ARGV[3]))
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
if ARGV[5] == "1" then
  redis.call("HSET", KEYS[3], ARGV[1], string.format("%.0f", now))
end
local dead = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - tonumber(ARGV[4]), "LIMIT", 0, 64)
for _, id in ipairs(dead) do
  redis.call("ZREM", KEYS[1], id)
  redis.call("HDEL", KEYS[2], id)
  redis.call("HDEL", KEYS[3], id)
end
return now
