// The transformer of src/core/errors.ts under test: as the others', and the constructor of UeeError tells who listens
// (environment.mjs) which code was made, and where. Production code knows nothing of it.
import swc from "@swc/jest";
import { TOLD_AS } from "./environment.mjs";

// The class is replaced behind its own definition, so that no line of the source has to look in a certain way.
const hook = `
UeeError = new Proxy(UeeError, {
  construct(target, args, newTarget) {
    globalThis[Symbol.for("${TOLD_AS}")]?.(args[0], new Error().stack);
    return Reflect.construct(target, args, newTarget);
  },
});`;

function instrumented(source) {
  if (!/\bclass UeeError\b/.test(source))
    throw new Error("src/core/errors.ts no longer has the class UeeError");
  return source + hook;
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
