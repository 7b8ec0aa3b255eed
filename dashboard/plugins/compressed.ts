/** Writes each text asset as .gz and .br beside it, so that the service compresses nothing while it serves. */

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /\.(js|css|html|svg|txt|json)$/;
const LEAST = 1_024;

export function compressed(): Plugin {
  let folder = "";
  return {
    name: "steelyard-compressed",
    apply: "build",
    configResolved: (config) => {
      folder = config.build.outDir;
    },
    closeBundle: {
      order: "post",
      handler: () => {
        for (const path of files(folder)) {
          if (!TEXT.test(path) || statSync(path).size < LEAST) continue;
          const text = readFileSync(path);
          // gzip's header holds no time and no name here, so the same input gives the same bytes.
          writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
          const params = {
            [constants.BROTLI_PARAM_QUALITY]: 11,
            [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
          };
          writeFileSync(`${path}.br`, brotliCompressSync(text, { params }));
        }
      },
    },
  };
}

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? files(path) : [path];
    });
}
