--[[
  A run has received good versions of records that lie in the dead letters: notes when, so that no replay of the older bytes
  takes them back.
  KEYS[1] letters ZSET
  ARGV[1..] letter id, µs of the later fetch, …
  Returns how many were noted.
]]
local letters = KEYS[1]
--- @include "deadLetters.lua"
local noted = 0
for i = 1, #ARGV, 2 do
  local key = letterKey(ARGV[i])
  if redis.call("EXISTS", key) == 1 then
    local known = tonumber(redis.call("HGET", key, "supersededAt") or "0")
    if tonumber(ARGV[i + 1]) > known then
      redis.call("HSET", key, "supersededAt", ARGV[i + 1])
      noted = noted + 1
    end
  end
end
return noted
