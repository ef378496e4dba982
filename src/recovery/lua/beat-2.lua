--[[
  A worker says that it lives; the long dead are forgotten.
  KEYS[1] workers ZSET  KEYS[2] worker facts HASH
  ARGV[1] worker id  ARGV[2] facts JSON  ARGV[3] ms that this word holds  ARGV[4] ms after which the dead are forgotten
  Returns the time by Redis in ms.
]]
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
local dead = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - tonumber(ARGV[4]), "LIMIT", 0, 64)
for _, id in ipairs(dead) do
  redis.call("ZREM", KEYS[1], id)
  redis.call("HDEL", KEYS[2], id)
end
return now
