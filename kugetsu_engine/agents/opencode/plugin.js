// Loaded by the shared opencode server: gives each command of an agent the environment of its own attempt.
// Otherwise the commands of all attempts would share one environment, and processes could not be told apart.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

export const KugetsuPlugin = async ({ directory }) => ({
  "shell.env": async (_input, output) => {
    const name = createHash("sha256").update(directory).digest("hex")
    const file = `${process.env.KUGETSU_SERVER_ATTEMPTS}/${name}.json`
    try {
      Object.assign(output.env, JSON.parse(readFileSync(file, "utf8")))
    } catch {
      // no attempt of kugetsu works there
    }
  },
})
