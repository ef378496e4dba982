--[[
  A record that had failed is good after all: see errorBase.lua.
  KEYS[1] run HASH
  Returns 1.
]]
--- @include "errorBase.lua"
clampErrorBase(KEYS[1])
return 1
