--[[
  Stores a wait that the upstream requested: no process sends before it ends. A shorter wait never replaces a longer
  one.

  KEYS[1]  state  HASH (window.lua)
  ARGV[1]  µs to wait from now
  ARGV[2]  code of the reason

  Returns µs from now until requests may be sent again.
]]
--- @include "window.lua"
local state, wait, code = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local now = nowUs()
return block(state, now, wait, code) - now
