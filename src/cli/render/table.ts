import { oneLine } from "../../core/printable.ts";
import { type Style, visibleLength } from "./text.ts";

export interface Column<Row> {
  title: string;
  value: (row: Row) => string;
  align?: "left" | "right";
  /** May be truncated (at the end, with …) to fit; minimum width. */
  shrinkTo?: number;
  /** Omitted, highest number first, while the table is too wide. Absent: never omitted. */
  dropFirst?: number;
  /** Colours a finished cell. */
  paint?: (text: string, row: Row) => string;
}

interface Sized<Row> {
  column: Column<Row>;
  cells: string[];
  width: number;
}

const gap = "  ";

const cut = (text: string, width: number): string =>
  visibleLength(text) <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

const total = (sized: readonly { width: number }[]): number =>
  sized.reduce((sum, { width }) => sum + width, 0) + gap.length * Math.max(0, sized.length - 1);

function fitColumns<Row>(sized: Sized<Row>[], width: number): Sized<Row>[] {
  let kept = sized;
  while (total(kept) > width) {
    const shrinkable = kept
      .filter(({ column, width: now }) => column.shrinkTo !== undefined && now > column.shrinkTo)
      .sort((a, b) => b.width - a.width)[0];
    if (shrinkable) {
      const over = total(kept) - width;
      shrinkable.width = Math.max(shrinkable.column.shrinkTo!, shrinkable.width - over);
      continue;
    }
    const droppable = kept
      .filter(({ column }) => column.dropFirst !== undefined)
      .sort((a, b) => b.column.dropFirst! - a.column.dropFirst!)[0];
    if (!droppable) break;
    kept = kept.filter((one) => one !== droppable);
  }
  return kept;
}

/** Lines of a table no wider than `width` columns, as far as possible. */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width = Number.POSITIVE_INFINITY, style }: { width?: number; style?: Style } = {},
): string[] {
  const sized = fitColumns(
    columns.map((column) => {
      const cells = rows.map((row) => oneLine(column.value(row)));
      return { column, cells, width: Math.max(visibleLength(column.title), ...cells.map(visibleLength)) };
    }),
    width,
  );
  const place = (text: string, { column, width: room }: Sized<Row>): string => {
    const short = cut(text, room);
    const pad = " ".repeat(Math.max(0, room - visibleLength(short)));
    return column.align === "right" ? pad + short : short + pad;
  };
  const titles = sized.map((one) => place(one.column.title, one)).join(gap);
  const lines = rows.map((row, i) =>
    sized
      .map((one) => {
        const placed = place(one.cells[i]!, one);
        return one.column.paint ? one.column.paint(placed, row) : placed;
      })
      .join(gap)
      .trimEnd(),
  );
  const header = titles.trimEnd();
  return [style?.dim(header) ?? header, ...lines];
}
