--[[
Included by the scripts that read the pool's numbers: how they are packed, as doubles, which hold whole µs until the year
2255. Packed, since a script of the pool reads and writes them all every time.
  size configured · taken of it by revocation · used = held · marked = asked back of it · waiting · seq of the last arrival ·
  wake: last hint · fence: last given · lastGrantAt · holdUntil: no grants before · nextEnd: no lease ends before
  a provider's: use = held · marked · cap · weight · queue = its waiters · pass = permit time had, µs / weight · at: pass
  counted up to · hold: its longest recent hold, µs
]]
local POOL_FORMAT, PROVIDER_FORMAT = '<ddddddddddd', '<dddddddd'
local POOL_FIELDS = {'size', 'taken', 'used', 'marked', 'waiting', 'seq', 'wake', 'fence', 'lastGrantAt', 'holdUntil', 'nextEnd'}
local PROVIDER_FIELDS = {'use', 'marked', 'cap', 'weight', 'queue', 'pass', 'at', 'hold'}
local NEVER = 9007199254740991
local EMPTY_POOL = struct.pack(POOL_FORMAT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NEVER)
local EMPTY_PROVIDER = struct.pack(PROVIDER_FORMAT, 0, 0, math.huge, 1, 0, 0, 0, 0)
