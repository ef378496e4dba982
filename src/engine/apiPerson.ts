/** Who asks, and why; kept with what comes of it. */
export interface PersonRequest {
  actor?: string;
  reason?: string;
}
