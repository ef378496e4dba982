--[[
  Redis' Lua has no calendar. isoTime(ms): ms since the epoch (1970 to 9999) as 2026-01-31T12:34:56.789Z.
]]
local function isoTime(ms)
  local days = math.floor(ms / 86400000)
  local rest = ms - days * 86400000
  -- Days to a civil date, counted in eras of 400 years that begin on 1 March.
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local dayOfEra = shifted - era * 146097
  local yearOfEra = math.floor(
    (dayOfEra - math.floor(dayOfEra / 1460) + math.floor(dayOfEra / 36524) - math.floor(dayOfEra / 146096)) / 365
  )
  local dayOfYear = dayOfEra - (365 * yearOfEra + math.floor(yearOfEra / 4) - math.floor(yearOfEra / 100))
  local shiftedMonth = math.floor((5 * dayOfYear + 2) / 153)
  local day = dayOfYear - math.floor((153 * shiftedMonth + 2) / 5) + 1
  local month = shiftedMonth < 10 and shiftedMonth + 3 or shiftedMonth - 9
  local year = yearOfEra + era * 400 + (month <= 2 and 1 or 0)
  return string.format(
    "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
    year, month, day,
    math.floor(rest / 3600000), math.floor(rest / 60000) % 60, math.floor(rest / 1000) % 60, rest % 1000
  )
end
