// Loaded by the shared opencode server: gives each command of an agent the environment of its own attempt, and collects garbage.
// Otherwise the commands of all attempts would share one environment, and processes could not be told apart.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

// Loading a worktree leaves a hundred megabytes of garbage, which the server would keep until its heap has doubled.
const GROWTH = 128 << 20
const PAUSE_MS = 2000
let collectedAt = 0
let size = process.memoryUsage.rss()
let timer

const collect = () => {
  timer = undefined
  globalThis.Bun?.gc(true)
  collectedAt = Date.now()
  size = process.memoryUsage.rss()
}

const collectSoon = (ended) => {
  if (timer !== undefined) return
  if (ended) timer = setTimeout(collect, PAUSE_MS) // the worktree of an ended session is unloaded first
  else if (Date.now() - collectedAt > PAUSE_MS && process.memoryUsage.rss() - size > GROWTH) timer = setTimeout(collect, 0)
}

export const KugetsuPlugin = async ({ directory }) => ({
  event: async ({ event }) => collectSoon(event.type === "session.idle"),
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
