/** The machinery: kernel, permits, workers and breakers. */
import { Breakers } from "./breakers.tsx";
import { Kernel } from "./kernel.tsx";
import { OverTime } from "./overTime.tsx";
import { Permits } from "./permits.tsx";
import { Webhook } from "./webhook.tsx";
import { Workers } from "./workers.tsx";

export const Fleet = () => (
  <>
    <h1 class="visually-hidden">Fleet</h1>
    <OverTime />
    <div class="halves">
      <div class="stack">
        <Kernel />
        <Webhook />
      </div>
      <div class="stack">
        <Permits />
        <Workers />
        <Breakers />
      </div>
    </div>
  </>
);
