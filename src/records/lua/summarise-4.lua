--[[
  Writes one entry of the change feed for a run, for a provider whose feed names no single record.
  KEYS[1] run HASH
  KEYS[2] fences HASH
  KEYS[3] changes STREAM
  KEYS[4] meta HASH
  ARGV[1] batch key of the run's last step
  ARGV[2] fence
  ARGV[3] run id
  ARGV[4] entries that the change feed keeps
  ARGV[5] JSON of the counts
  Returns 1 told, 0 told before; -1 run not closing; -2 superseded.
]]
--- @include "fence.lua"
--- @include "changes.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, FENCES, CHANGES, META = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local batch, fence, run_id, changes_kept, counts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local refused = refusal(RUN, FENCES, "closing", batch, fence)
if refused then
  return refused
end
if redis.call("HSETNX", RUN, "summarised", "1") == 0 then
  return 0
end
local seq = reserve_changes(CHANGES, META, 1) + 1
add_change(CHANGES, seq, "s", "*", counts, string.format("%.0f", tick(META)), run_id)
trim_changes(CHANGES, changes_kept)
return 1
