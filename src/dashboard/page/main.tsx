import { render } from "preact";
import { App } from "./app.tsx";
import { begin } from "./session/session.ts";
import { clock, serverNow } from "./state/page.ts";

const place = document.getElementById("page");
if (place !== null) render(<App />, place);
window.setInterval(() => clock.change(serverNow), 1_000);
void begin();
