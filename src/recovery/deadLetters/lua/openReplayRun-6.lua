--[[
  Opens the replay run that waits, when no other run is open and no closed run must be cleaned up: what closed runs
  have seen must be noted before older bytes are replayed.

  KEYS[1] open run: STRING
  KEYS[2] replay run: STRING
  KEYS[3] run: HASH
  KEYS[4] replay runs: ZSET
  KEYS[5] unclean runs: SET
  KEYS[6] meta: HASH
  ARGV[1] id of the replay run
  ARGV[2] time: ISO

  Returns 1 opened now; 2 it is open; 0 it does not wait any more; -1 another run is open; -2 a closed run must be
  cleaned up.
]]
local openRunKey, replayRunKey, runKey, replayRunsKey, uncleanKey, metaKey = unpack(KEYS)
local runId, time = ARGV[1], ARGV[2]
--- @include "../../../redis/lua/clock.lua"

if redis.call("GET", replayRunKey) ~= runId then
  return 0
end
local state, open = redis.call("HGET", runKey, "state"), redis.call("GET", openRunKey)
if state == "open" and open == runId then
  return 2
elseif state ~= "waiting" then
  return 0
elseif open then
  return -1
elseif redis.call("SCARD", uncleanKey) > 0 then
  return -2
end
local opened = string.format("%.0f", tick(metaKey))
redis.call("HSET", runKey, "state", "open", "startedAt", time, "opened", opened)
redis.call("SET", openRunKey, runId)
redis.call("ZADD", replayRunsKey, opened, runId)
return 1
