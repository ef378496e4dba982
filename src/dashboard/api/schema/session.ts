/** The identity of the caller, and the login of browsers. */
import { z } from "zod";
import { isoTime } from "./common.ts";

export const sessionSchema = z
  .object({
    actor: z.string().describe("Name that is kept with actions"),
    csrfToken: z.string().describe("Send it as X-CSRF-Token with every write"),
    tokenRequired: z.boolean().describe("False: this dashboard is open to every user of this machine"),
    expiresAt: isoTime.nullable().describe("End of the login; null without a login"),
  })
  .meta({ id: "Session" });
export type Session = z.output<typeof sessionSchema>;

export const entrySchema = z
  .object({
    tokenRequired: z.boolean().describe("False: this dashboard is open to every user of this machine"),
    loggedIn: z.boolean().describe("The request has a valid login, or none is required"),
  })
  .meta({ id: "Entry" });
export type EntryAnswer = z.output<typeof entrySchema>;

export const loginBodySchema = z
  .strictObject({
    token: z.string().min(1).max(1024),
    name: z
      .string()
      .trim()
      .regex(
        /^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,63}$/u,
        "must be 1 to 64 letters, digits, spaces or . _ @ + -",
      ),
  })
  .meta({ id: "LoginRequest" });
export type LoginRequest = z.input<typeof loginBodySchema>;

export const healthSchema = z.object({ status: z.enum(["ok"]) }).meta({ id: "Health" });
export type Health = z.output<typeof healthSchema>;

export const noContentSchema = z.null().describe("No body");
