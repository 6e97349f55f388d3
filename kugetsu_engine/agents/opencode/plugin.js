// Loaded by the shared opencode server: gives each command of an agent the environment of its own attempt, and holds the sessions
// of a paused attempt before their next step. Otherwise the commands of all attempts would share one environment, and processes
// could not be told apart; and no process could be stopped without stopping the agents of other attempts too.
import { createHash } from "node:crypto"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

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
    "shell.env": async (_input, output) => {
      Object.assign(output.env, read())
    },
    "tool.execute.before": hold,
    "chat.params": hold,
  }
}
