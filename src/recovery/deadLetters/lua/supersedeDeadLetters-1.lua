--[[
  A run has received good versions of records that are dead letters: notes when, so that no replay of the older bytes
  overwrites them.

  KEYS[1] dead letters: ZSET
  ARGV[1..] dead letter id and time of the later fetch (µs), of each

  Returns how many were noted.
]]
local args = ARGV
local deadLetters = KEYS[1]
--- @include "deadLetters.lua"

local noted = 0
for i = 1, #args, 2 do
  local id, fetchedAt = args[i], args[i + 1]
  local key = deadLetterKey(id)
  if redis.call("EXISTS", key) == 1 then
    local known = tonumber(redis.call("HGET", key, "supersededAt") or "0")
    if tonumber(fetchedAt) > known then
      redis.call("HSET", key, "supersededAt", fetchedAt)
      noted = noted + 1
    end
  end
end
return noted
