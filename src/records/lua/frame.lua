--[[
  Included by scripts that read a frame (src/records/frame.ts).
  cut_strings(frame, pos, n)  n length-prefixed strings of the frame from pos on, and where the rest starts
]]
local function cut_strings(frame, pos, n)
  if n == 0 then
    return {}, pos
  end
  if n <= 100 then
    local out = { struct.unpack(">" .. string.rep("I4c0", n), frame, pos) }
    pos = table.remove(out)
    return out, pos
  end
  local out = {}
  while n > 0 do
    local take = math.min(n, 100)
    local got = { struct.unpack(">" .. string.rep("I4c0", take), frame, pos) }
    for i = 1, take do
      out[#out + 1] = got[i]
    end
    pos = got[take + 1]
    n = n - take
  end
  return out, pos
end
