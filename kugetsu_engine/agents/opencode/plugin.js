// Loaded by the shared opencode server: gives each command of an agent the environment of its own attempt, and holds the sessions
// of a paused attempt before their next step. Otherwise the commands of all attempts would share one environment, and processes
// could not be told apart; and no process could be stopped without stopping the agents of other attempts too.
// It also collects the server's garbage.
import { createHash } from "node:crypto"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

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

const CHECK_MS = 200

export const KugetsuPlugin = async ({ directory }) => {
  const name = createHash("sha256").update(directory).digest("hex")
  const read = () => {
    try {
      return JSON.parse(readFileSync(`${process.env.KUGETSU_SERVER_ATTEMPTS}/${name}.json`, "utf8"))
    } catch {
      return {} // no attempt of kugetsu works there
    }
  }
  // The supervisor of the attempt makes the file `hold`; `kugetsu-held` tells it that the session stands.
  const hold = async () => {
    const temporary = read().TMPDIR
    if (!temporary) return
    const wanted = `${dirname(temporary)}/hold`
    while (existsSync(wanted) && read().TMPDIR === temporary) {
      try {
        writeFileSync(`${temporary}/kugetsu-held`, "")
      } catch {} // only what is shown is less exact then
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS))
    }
    rmSync(`${temporary}/kugetsu-held`, { force: true })
  }
  return {
    event: async ({ event }) => collectSoon(event.type === "session.idle"),
    "shell.env": async (_input, output) => {
      Object.assign(output.env, read())
    },
    "tool.execute.before": hold,
    "chat.params": hold,
  }
}
