/** Bull Board's page under our security headers: nothing from other hosts, nothing inline. */

export const boardPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    // Its page contains the path under which it is served.
    baseUri: ["'self'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
    imgSrc: ["'self'", "data:"],
  },
};

/** Its page requests fonts from another host and inline styles; both would be refused with console errors. */
export const withoutInline = (html: string): string =>
  html
    .replace(/<link [^>]*href="https?:\/\/[^>]*>/g, "")
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replace(/ style="[^"]*"/g, "");
