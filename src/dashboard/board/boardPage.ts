/** Bull Board's page as our headers allow it: nothing from elsewhere, nothing inline. */

export const boardPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    // Its page names the path under which it lies.
    baseUri: ["'self'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
    imgSrc: ["'self'", "data:"],
  },
};

/** Its page asks for fonts of another host and styles its first second inline; both are refused anyway, loudly. */
export const withoutInline = (html: string): string =>
  html
    .replace(/<link [^>]*href="https?:\/\/[^>]*>/g, "")
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replace(/ style="[^"]*"/g, "");
