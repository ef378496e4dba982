// The results as a table for a terminal and as docs/performance.md.

const met = (row, { quick }) =>
  row.met === null ? "" : quick ? (row.met ? "(yes)" : "(no)") : row.met ? "yes" : "NO";
const command = (figure) => `npm run bench -- --only ${figure}`;

/** { figure, row } of every row, in the order of the figures. */
const rowsOf = (results) =>
  Object.entries(results.figures).flatMap(([figure, { rows }]) => rows.map((row) => ({ figure, row })));

/** One line per row; its note below it. */
export function renderTable(results) {
  const cells = rowsOf(results).map(({ figure, row }) => [
    row.what.replaceAll("`", ""),
    row.figure,
    row.goal,
    met(row, results),
    command(figure),
  ]);
  const head = ["what", "figure", "goal", "met", "command"];
  const widths = head.map((_, column) =>
    Math.max(...[head, ...cells].map((line) => [...line[column]].length)),
  );
  const line = (texts) =>
    texts
      .map((text, i) => text + " ".repeat(widths[i] - [...text].length))
      .join("  ")
      .trimEnd();
  const body = rowsOf(results).flatMap(({ row }, i) => [line(cells[i]), `  ${row.note.replaceAll("`", "")}`]);
  const note = results.quick
    ? ["", "A quick run: little data, one pair each. It shows that the benches work, no more."]
    : [];
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body, ...note, ""].join("\n");
}

const circumstances = ([name, { loadBefore, priority }]) =>
  `${name} ${loadBefore.toFixed(1)}${priority === 0 ? "" : `, nice ${priority}`}`;

export function renderDoc(results) {
  const { machine } = results;
  const rows = rowsOf(results).map(
    ({ figure, row }) =>
      `| ${row.what} | **${row.figure}** | ${row.goal} | ${met(row, results) || "–"} | ${row.note} | \`--only ${figure}\` |`,
  );
  const short = rowsOf(results).filter(({ row }) => row.met === false);
  const figures = Object.entries(results.figures);
  return `# Performance

<!-- Made by \`npm run bench -- --docs\`. Do not edit: measure again. -->

Measured on ${results.date.slice(0, 10)} on ${machine.cores} cores (${machine.processor}), ${(machine.memoryBytes / 1e9).toFixed(0)} GB, ${machine.system}, Node ${machine.node}, Redis ${machine.redis}, with \`npm run bench\`. Engine, Redis and simulator share these cores. Each figure and its baseline alternate within one run; medians of ${results.pairs} pairs. Both sides use the same Redis settings: append-only, fsync every second, unix socket. The engine is \`bin/uee run\` with its production defaults and no rate limit.

The **bare loop** is the baseline: one process, one page of 2,000 at a time, \`fetch\`, \`JSON.parse\`, and a pipelined \`HSET\` of one \`JSON.stringify\` per top-level field. It compares nothing, remembers nothing, and what a crash takes is gone.

| what | figure | goal | met | notes | measured by |
|---|---|---|---|---|---|
${rows.join("\n")}

Load of the machine (average of the minute before, other work included) and priority of the processes measured, both sides alike: ${figures.map(circumstances).join("; ")}.

## Where it falls short

${short.length === 0 ? "Nowhere: every goal above is met." : short.map(({ row }) => `- ${row.what}: ${row.figure} where ${row.goal} is wanted. ${row.shortfall ?? row.note}`).join("\n")}

## How each is measured

${figures.map(([name, { method }]) => `- **${name}**: ${method}`).join("\n")}

## Again, on your machine

\`\`\`sh
npm run bench                        # all of it, about a quarter of an hour; the machine should be idle
npm run bench -- --quick             # under a minute: do the benches work?
npm run bench -- --only load,resync  # some of it
npm run bench -- --json FILE         # the numbers behind the table
npm run bench -- --docs              # and write this page
\`\`\`

Real records come from the folder named by \`UEE_SHARED_DATA\`; without it the simulator generates them, and the table says so.
`;
}
