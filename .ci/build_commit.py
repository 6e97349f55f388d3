"""Build hook of hatchling: writes the commit that is built into the package, for `kugetsu --version`."""

import os
import subprocess

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "kugetsu_engine/commit.txt"


class CommitHook(BuildHookInterface):
    """Includes a file with the commit. A build from an sdist keeps the file that it has."""

    def initialize(self, version, build_data):
        """Write the file before the build, unless the package is installed in place, where git answers."""
        if version == "editable" or not os.path.lexists(os.path.join(self.root, ".git")):
            return
        done = subprocess.run(["git", "-C", self.root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            with open(os.path.join(self.root, FILE), "w", encoding="ascii") as file:
                file.write(done.stdout)

    def finalize(self, version, build_data, artifact_path):
        """Remove it again: in a working tree it would soon be wrong."""
        if os.path.lexists(os.path.join(self.root, ".git")):
            try:
                os.remove(os.path.join(self.root, FILE))
            except FileNotFoundError:
                pass
