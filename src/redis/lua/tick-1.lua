--[[
  Takes the next time of a clock.

  KEYS[1]  HASH with the clock

  Returns it, µs.
]]
--- @include "clock.lua"
local clock = KEYS[1]

return tick(clock)
