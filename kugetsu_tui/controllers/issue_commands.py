"""`:start`, `:continue`, `:delegate`, `:set-pr` and `:destroy`: what starts at once, and what concerns a whole issue."""

from collections.abc import Callable

from kugetsu_engine.client import start
from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.worktrees import destroy
from kugetsu_engine.worktrees.destroy import IssueResources

from ..commands.grammar import Command
from ..console import Console
from ..formatting.cells import clean
from ..modals.confirm import Confirm


async def run_issue_command(app: Console, command: Command) -> None:
    """Run a command about an issue, and report the result."""
    client, args, folder = app.connection.client, command.args, app.connection.folder

    def delegate() -> str:
        made = start.delegate_task(client, args["message"], folder)
        return f"queued {', '.join(f'{format_id(task_id)} for {reference}' for task_id, reference in made)}"

    jobs: dict[str, Callable[[], str]] = {
        "start": lambda: f"{format_id(start.start_issue(client, args['reference'], args['message'], folder))} starts",
        "continue": lambda: (
            f"{format_id(start.continue_session(client, args['reference'], args['message'] or None, folder))} starts"
        ),
        "delegate": delegate,
        "set-pr": lambda: client.do("set_pr", issue_ref=client.resolve_reference(args["reference"]), url=args["url"]),
    }
    if command.verb == "destroy":
        await _destroy(app, args["reference"], args["force"])
    else:
        app.say(clean(await app.connection.requests.run_change(jobs[command.verb]), 300), "good")


async def _destroy(app: Console, reference: str, force: bool) -> None:
    """Show what would be removed and what would be lost, and ask; it is refused for the same reasons as on the command line."""
    client, run_slow = app.connection.client, app.connection.requests.run_slow
    client.refuse_if_read_only()
    ref = client.resolve_reference(reference)
    resources = await run_slow(lambda: destroy.inspect_issue(client, ref))
    if resources.is_empty:
        app.say(f"{clean(ref, 100)}: there is nothing to destroy", "warning")
        return
    state = await run_slow(lambda: destroy.read_pull_request_state(client, ref, lambda _: None))
    objections = resources.list_objections(state)
    if objections and not force:
        app.say(clean(f"not destroyed: {'; '.join(objections)} (destroy REF --force)", 400), "warning")
        return
    lines = [clean(line, 200) for line in (*resources.describe_parts(), *(f"despite: {text}" for text in objections))]

    def answer(yes: bool | None) -> None:
        if yes:
            app.run_worker(_remove(app, client, resources, force), exit_on_error=False)

    app.push_screen(Confirm(f"Destroy {clean(ref, 100)}?", lines, yes="Destroy"), answer)


async def _remove(app: Console, client: Client, resources: IssueResources, force: bool) -> None:
    done = await app.connection.requests.run_slow(lambda: list(destroy.destroy_issue(client, resources, force=force)))
    app.say(clean("; ".join(done), 400), "good")
