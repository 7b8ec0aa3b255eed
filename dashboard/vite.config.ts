import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { compressed } from "./plugins/compressed.ts";
import { thirdParty } from "./plugins/third_party.ts";

export default defineConfig({
  plugins: [react(), thirdParty(), compressed()],
  base: "/",
  build: {
    outDir: "../src/steelyard/service/web/static",
    emptyOutDir: true,
    target: "es2022",
    // The content policy of the page forbids data: addresses and inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700, // kB; ECharts and three.js are chunks of their own, fetched when shown
    rolldownOptions: {
      output: {
        // React changes seldom: a name of its own keeps it in caches.
        codeSplitting: {
          groups: [{ name: "react", test: /node_modules\/(react|react-dom|scheduler)\// }],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8399",
      "/v1": "http://127.0.0.1:8399",
      "/ws": { target: "ws://127.0.0.1:8399", ws: true },
    },
  },
});
