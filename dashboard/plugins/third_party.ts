/**
 * Writes THIRD-PARTY.txt into the build: every package whose code is in it, with its licence and text.
 *
 * The packages are read from the modules that were bundled, not from a list. A licence that is not
 * permissive stops the build.
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const ALLOWED = new Set(["MIT", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "ISC", "0BSD"]);

export function thirdParty(): Plugin {
  return {
    name: "steelyard-third-party",
    apply: "build",
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id.replace(/^\0/, ""));
          if (found?.[1] && existsSync(join(found[1], "package.json"))) folders.add(found[1]);
        }
      }
      const notices = [...folders].map(notice).sort((a, b) => (a < b ? -1 : 1));
      const head =
        "The page of Steelyard contains the following packages, each under its own licence.\n";
      this.emitFile({
        type: "asset",
        fileName: "THIRD-PARTY.txt",
        source: [head, ...notices].join(`\n${"-".repeat(78)}\n\n`),
      });
    },
  };
}

function notice(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (!ALLOWED.has(about.license)) {
    throw new Error(
      `${about.name} is under ${about.license}: only permissive licences are built in`,
    );
  }
  const texts = readdirSync(folder)
    .filter((name) => /^(licen[cs]e|notice)/i.test(name))
    .sort()
    .flatMap((name) => filesAt(join(folder, name)))
    .map((path) => readFileSync(path, "utf8").trim());
  return `${about.name} ${about.version}\nLicence: ${about.license}\n\n${texts.join("\n\n")}\n`;
}

/** The file at a path, or those in the folder there: some packages keep the licences of their own parts in one. */
function filesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesAt(join(path, name)));
}
