--[[
  Registers a process as a user of an upstream, or renews its registration, unless a live one has other settings.

  KEYS[1]  pods  ZSET: "<process id> <settings>" -> µs by TIME at which the entry expires
  ARGV[1]  process id (without spaces)
  ARGV[2]  settings
  ARGV[3]  µs until the entry expires

  Returns nil when registered, else the other process's "<process id> <settings>"; the caller's own entry is then
  removed.
]]
--- @include "window.lua"
local pods = KEYS[1]
local processId, settings, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = nowUs()
local own = processId .. " " .. settings
redis.call("ZREMRANGEBYSCORE", pods, "-inf", whole(now))
clampSlots(pods, now, life)
for _, entry in ipairs(redis.call("ZRANGE", pods, 0, -1)) do
  local space = string.find(entry, " ", 1, true)
  if string.sub(entry, 1, space - 1) ~= processId and string.sub(entry, space + 1) ~= settings then
    redis.call("ZREM", pods, own)
    return entry
  end
end
redis.call("ZADD", pods, whole(now + life), own)
return nil
