"""`:start`, `:continue`, `:delegate`, `:set-pr` and `:destroy`: what begins at once, and what concerns a whole issue."""

from collections.abc import Callable

from kugetsu_engine.client import start
from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.errors import UsageError
from kugetsu_engine.worktrees import destroy
from kugetsu_engine.worktrees.destroy import IssueResources

from ..commands.grammar import Command
from ..console import Console
from ..formatting.cells import clean
from ..modals.confirm import Confirm


async def run_issue_command(app: Console, command: Command) -> None:
    """Do what was typed, and say how it went."""
    client, args = app.connection.client, command.args
    jobs: dict[str, Callable[[], str]] = {
        "start": lambda: f"#{_start(app, args)[2:]} starts",
        "continue": lambda: (
            f"#{start.continue_session(client, args['reference'], args['message'] or None, app.connection.folder)[2:]} starts"
        ),
        "delegate": lambda: _delegated(app, args["message"]),
        "set-pr": lambda: client.do("set_pr", issue_ref=client.resolve_reference(args["reference"]), url=args["url"]),
    }
    if command.verb == "destroy":
        await _destroy(app, args["reference"], args["force"])
    else:
        app.say(clean(await app.connection.requests.run_change(jobs[command.verb]), 300), "good")


def _start(app: Console, args: dict[str, str]) -> str:
    return start.start_issue(app.connection.client, args["reference"], args["message"], app.connection.folder)


def _delegated(app: Console, message: str) -> str:
    made = start.delegate_task(app.connection.client, message, app.connection.folder)
    return f"queued {', '.join(f'{format_id(task_id)} for {reference}' for task_id, reference in made)}"


async def _destroy(app: Console, reference: str, force: bool) -> None:
    """Show what would go and what would be lost, and ask; the same refusals as on the command line."""
    client = app.connection.client
    if client.read_only:
        raise UsageError("read-only: nothing is changed")
    ref = client.resolve_reference(reference)
    remains = await app.connection.requests.run_slow(lambda: destroy.inspect_issue(client, ref))
    if remains.is_empty:
        app.say(f"{clean(ref, 100)}: there is nothing to destroy", "warning")
        return
    state = await app.connection.requests.run_slow(lambda: destroy.read_pull_request_state(client, ref, lambda _: None))
    against = remains.list_objections(state)
    if against and not force:
        app.say(clean(f"not destroyed: {'; '.join(against)} (destroy REF --force)", 400), "warning")
        return
    lines = [clean(line, 200) for line in (*remains.describe_parts(), *(f"in spite of: {one}" for one in against))]

    def answered(yes: bool | None) -> None:
        if yes:
            app.run_worker(_remove(app, client, remains, force), exit_on_error=False)

    app.push_screen(Confirm(f"Destroy {clean(ref, 100)}?", lines, yes="Destroy"), answered)


async def _remove(app: Console, client: Client, remains: IssueResources, force: bool) -> None:
    done = await app.connection.requests.run_slow(lambda: list(destroy.destroy_issue(client, remains, force=force)))
    app.say(clean("; ".join(done), 400), "good")
