// The transformer of src/core/errors.ts under test: as the others', and the constructor of UeeError tells who listens
// (environment.mjs) which code was made, and where. Production code knows nothing of it.
import swc from "@swc/jest";
import { TOLD_AS } from "./environment.mjs";

const place = 'this.name = "UeeError";';
const tell = `${place} globalThis[Symbol.for("${TOLD_AS}")]?.(code, new Error().stack);`;

function instrumented(source) {
  if (!source.includes(place))
    throw new Error("src/core/errors.ts no longer has the line that the witness hooks into");
  return source.replace(place, tell);
}

export default {
  createTransformer(options) {
    const transformer = swc.createTransformer(options);
    return {
      ...transformer,
      canInstrument: false,
      process: (source, ...more) => transformer.process(instrumented(source), ...more),
      processAsync: async (source, ...more) => transformer.process(instrumented(source), ...more),
      getCacheKey: (source, ...more) => transformer.getCacheKey(instrumented(source), ...more),
    };
  },
};
