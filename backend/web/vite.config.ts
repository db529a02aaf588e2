import { defineConfig } from "vite";

// `npm run dev` serves the sources and passes the API on to a backend on its default port.
const backend = "http://127.0.0.1:8080";

export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, sourcemap: false },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: backend, ws: true } },
  },
});
