-- Cuts `n` length-prefixed strings off a frame (src/records/frame.ts); returns them and where the rest starts.
local function cut_strings(frame, pos, n)
  if n == 0 then
    return {}, pos
  end
  if n <= 100 then
    local out = { struct.unpack('>' .. string.rep('I4c0', n), frame, pos) }
    pos = table.remove(out)
    return out, pos
  end
  local out = {}
  while n > 0 do
    local take = math.min(n, 100)
    local got = { struct.unpack('>' .. string.rep('I4c0', take), frame, pos) }
    for i = 1, take do
      out[#out + 1] = got[i]
    end
    pos = got[take + 1]
    n = n - take
  end
  return out, pos
end

-- Calls `command key` with the strings, a bounded number at a time (an even one: names and values stay together).
local function call_with(command, key, strings)
  for i = 1, #strings, 200 do
    redis.call(command, key, unpack(strings, i, math.min(i + 199, #strings)))
  end
end
