/**
 * Makes foreign text safe for a terminal: removes the control characters (C0, DEL and C1) that move the cursor,
 * change colours or set the window title. Line breaks and tabs stay.
 */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach the terminal
  text.replace(/\r\n/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");

/** The same on one line. */
export const oneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach the terminal
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
