/** Changes per day as a strip of cells: the darker, the more. */
import type { ChangeDays } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { useNow } from "../ui/useStore.ts";

type Kind = "created" | "updated" | "removed";

const most = 28;
const dayMs = 86_400_000;

export function DayStrip({ days, shown }: { days: ChangeDays["days"]; shown: readonly Kind[] }) {
  const now = useNow();
  const today = new Date(now).toISOString().slice(0, 10);
  const names = Array.from({ length: most }, (_, i) =>
    new Date(Date.parse(today) - (most - 1 - i) * dayMs).toISOString().slice(0, 10),
  );
  const sum = (day: string, kind: Kind): number =>
    days.filter((one) => one.day === day).reduce((total, one) => total + one[kind], 0);
  return (
    <table class="days" aria-label="Changes per day, in UTC">
      <thead>
        <tr>
          <th scope="col">Per day (UTC)</th>
          {names.map((day, i) => (
            <th key={day} scope="col" class={i % 7 === most % 7 || i === most - 1 ? "day-named" : undefined}>
              <span class={i % 7 === most % 7 || i === most - 1 ? undefined : "visually-hidden"}>
                {i === most - 1 ? "today" : day.slice(5)}
              </span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {shown.map((kind) => {
          const values = names.map((day) => sum(day, kind));
          const top = Math.max(1, ...values);
          return (
            <tr key={kind}>
              <th scope="row">{kind}</th>
              {values.map((value, i) => (
                <td
                  key={names[i]}
                  class={`day heat-${value === 0 ? 0 : 1 + Math.round((3 * Math.log1p(value)) / Math.log1p(top))}`}
                  title={`${names[i]}: ${plural(value, "record")} ${kind}`}
                >
                  <span class="visually-hidden">{count(value)}</span>
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
