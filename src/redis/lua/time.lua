--[[
  Included by the scripts that need the time.
    nowUs()                           Redis TIME, µs since the epoch
    nowMs()                           the same in whole ms
    nearest(deadline, now, longest)   the deadline, but at most `longest` after now: a later one was set before Redis'
                                      clock went back
]]
local function nowUs()
  local time = redis.call("TIME")
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function nowMs()
  return math.floor(nowUs() / 1000)
end

local function nearest(deadline, now, longest)
  return math.min(deadline, now + longest)
end
