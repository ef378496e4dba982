/** The page is served as it was built: `node scripts/build.mjs` first. */
import { fileURLToPath } from "node:url";

export const builtPage = fileURLToPath(new URL("../../../dist/dashboard/page", import.meta.url));
