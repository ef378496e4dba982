--[[
  Generated from src/machines/macroMachine.ts by `npm run docs`. Do not edit.
  Defines macroMachine, providerSays and macroRules, for transition.lua and followProviders.lua.
]]
local macroMachine = {
  name = "macro",
  initial = "BOOTSTRAPPING",
  table = {
    BOOTSTRAPPING = {
      provider_started = { to = "ORCHESTRATING" },
      drain = { to = "DRAINING" },
      start = { stays = "keeps" },
    },
    ORCHESTRATING = {
      provider_troubled = { to = "STABILIZING" },
      drain = { to = "DRAINING" },
      start = { stays = "keeps" },
    },
    STABILIZING = {
      providers_well = { to = "ORCHESTRATING" },
      drain = { to = "DRAINING" },
      start = { stays = "keeps" },
    },
    DRAINING = {
      drain = { stays = "keeps" },
      start = { to = "BOOTSTRAPPING" },
    },
  },
}

local providerSays = {
  IDLE = { active = false, held = "no" },
  ACQUIRING = { active = true, held = "keeps" },
  RUNNING = { active = true, held = "no" },
  WAITING_QUOTA = { active = true, held = "yes" },
  WAITING_BACKOFF = { active = true, held = "yes" },
  PAUSED = { active = false, held = "yes" },
  TERMINATED = { active = false, held = "no" },
}

local macroRules = {
  BOOTSTRAPPING = { sees = "active", event = "provider_started" },
  ORCHESTRATING = { sees = "held", event = "provider_troubled" },
  STABILIZING = { sees = "well", event = "providers_well" },
}
