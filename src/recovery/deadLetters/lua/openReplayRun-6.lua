--[[
  Opens the replay run that waits, when no other run is open and nothing of a closed one is left to be cleaned: what closed
  runs have seen must be noted before older bytes are replayed.
  KEYS[1] open run STRING  KEYS[2] replay run STRING  KEYS[3] run HASH  KEYS[4] replay runs ZSET  KEYS[5] unclean runs SET
  KEYS[6] meta HASH
  ARGV[1] id of the replay run  ARGV[2] ISO time
  Returns 1 opened now; 2 it is open; 0 it does not wait any more; -1 another run is open; -2 a closed run must be cleaned.
]]
--- @include "../../../redis/lua/clock.lua"
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
local state, open = redis.call("HGET", KEYS[3], "state"), redis.call("GET", KEYS[1])
if state == "open" and open == ARGV[1] then
  return 2
elseif state ~= "waiting" then
  return 0
elseif open then
  return -1
elseif redis.call("SCARD", KEYS[5]) > 0 then
  return -2
end
local opened = string.format("%.0f", tick(KEYS[6]))
redis.call("HSET", KEYS[3], "state", "open", "startedAt", ARGV[2], "opened", opened)
redis.call("SET", KEYS[1], ARGV[1])
redis.call("ZADD", KEYS[4], opened, ARGV[1])
return 1
