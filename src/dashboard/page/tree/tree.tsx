/** The ETL tree: the fleet's machine, and below it every provider. */
import type { Overview } from "../../api/schemas.ts";
import { bytes, count, percent } from "../lib/figures.ts";
import { lookOf } from "../lib/machineStates.ts";
import { DataPanel, Fact, Moment, StateBadge } from "../ui/parts.tsx";
import { usePage } from "../ui/useStore.ts";
import { Provider } from "./provider.tsx";

export function Tree() {
  const overview = usePage(({ fleet }) => fleet.overview);
  return (
    <DataPanel
      id="tree"
      title="Mirror"
      data={overview}
      loading={[8, "the tree"]}
      away={["Nothing to show yet", "Redis has not answered since this page was opened."]}
      aside={(all) => <Root overview={all} />}
    >
      {(all) => (
        <>
          <FleetFacts overview={all} />
          <ul class="tree" aria-label="Providers">
            {all.providers.map((provider) => (
              <Provider key={provider.provider} provider={provider} />
            ))}
          </ul>
        </>
      )}
    </DataPanel>
  );
}

/** The macro machine: state, since when, reason. */
function Root({ overview: { macro } }: { overview: Overview }) {
  return (
    <>
      <StateBadge state={macro.state} />
      <span class="muted">
        {macro.since !== null && (
          <>
            since <Moment at={macro.since} show="both" />
          </>
        )}
      </span>
    </>
  );
}

function FleetFacts({ overview }: { overview: Overview }) {
  const { macro, permits, redis, workers, deadLetters, providers } = overview;
  const records = providers.reduce((sum, provider) => sum + provider.records, 0);
  const verified = providers.filter((provider) => provider.verified).length;
  const memory =
    redis.maxMemory > 0 ? `${bytes(redis.usedMemory)} of ${bytes(redis.maxMemory)}` : bytes(redis.usedMemory);
  const tight = redis.maxMemory > 0 && redis.usedMemory / redis.maxMemory > 0.9;
  return (
    <>
      <p class="means muted">{lookOf(macro.state).means}</p>
      <dl class="facts facts-fleet">
        <Fact label="Records">{count(records)}</Fact>
        <Fact label="Verified" tone={verified < providers.length ? "warn" : undefined}>
          {verified} of {providers.length} providers
        </Fact>
        <Fact label="Workers" tone={workers === 0 ? "warn" : undefined}>
          {workers === 0 ? "none" : `${workers} live`}
        </Fact>
        <Fact label="Permits in use">
          {permits.allocated} of {permits.effective}
          {permits.waiting > 0 && `, ${permits.waiting} waiting`}
        </Fact>
        <Fact label="Dead letters" tone={deadLetters > 0 ? "warn" : undefined}>
          {count(deadLetters)}
        </Fact>
        <Fact
          label={`Redis ${redis.version}`}
          tone={tight ? "warn" : undefined}
          hint={
            redis.maxMemory > 0
              ? `${percent(redis.usedMemory / redis.maxMemory)} of its memory`
              : "No memory limit is set"
          }
        >
          {memory}, {redis.persistence}
        </Fact>
      </dl>
    </>
  );
}
