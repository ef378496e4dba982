// The engine's own defaults, as `uee` would find them, for processes that build an engine themselves.
import { fromDist } from "./places.mjs";

export async function engineSettings(environment = {}) {
  const { loadConfig } = await fromDist("config/index.js");
  const { engineSettings: settingsOf } = await fromDist("session/openMirror.js");
  return settingsOf(loadConfig({ argvFlags: {}, env: environment }).config);
}
