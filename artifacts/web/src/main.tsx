import { render } from "preact";
import { App } from "./app.tsx";
import { read } from "./link.ts";

const root = document.getElementById("app");
if (root) void read(location.hash).then((link) => render(<App link={link} />, root));
