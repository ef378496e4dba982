// Rows of the table: { what, figure, goal, met, note }. `met` is null where nothing was promised, or in a quick run.

const times = (value) => `${value.toFixed(2)} ×`;
const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;

/** At least this many times the baseline. */
export const ratioRow = ({ what, ratio, goal, note, shortfall }) => ({
  what,
  // Rounded down: a missed goal must not look reached.
  figure: times(Math.floor(ratio * 100) / 100),
  goal: `≥ ${times(goal)}`,
  met: ratio >= goal,
  note,
  ...(ratio < goal && shortfall ? { shortfall } : {}),
});

export const atMostRow = ({ what, value, goal, text, note }) => ({
  what,
  figure: text(value),
  goal: `≤ ${text(goal)}`,
  met: value <= goal,
  note,
});

export const statedRow = ({ what, figure, note }) => ({ what, figure, goal: "stated", met: null, note });

export const text = {
  times,
  percent,
  ms: (value) => `${value.toFixed(1)} ms`,
  seconds: (value) => `${(value / 1000).toFixed(1)} s`,
  mb: (value) => `${Math.round(value / 1e6)} MB`,
  bytes: (value) => `${Math.round(value)} B`,
};
