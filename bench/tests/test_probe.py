import os
import subprocess
import sys
import time

import pytest

from bench import probe

pytestmark = pytest.mark.once

BURN = """
import os, sys, time
if os.fork() == 0:
    while time.process_time() < 0.3: pass
    os._exit(0)
os.wait()
while time.process_time() < 0.2: pass
print(flush=True); sys.stdin.read()
"""


def test_cpu_time_includes_children_that_have_ended():
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        used = probe.cpu_seconds([process.pid])
        process.stdin.close()
    assert used >= 0.4  # without the child, or without the parent, it would be 0.3 at most


def test_a_tree_has_the_children_and_their_children():
    shell = "sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        assert probe.tree([process.pid]) == {process.pid, child}
        assert {process.pid, child} < probe.tree([os.getpid()])
        os.kill(child, 15)


def test_what_we_burn_makes_the_machine_busy():
    before = probe.busy_seconds()
    began = time.process_time()
    while time.process_time() < began + 0.3:
        pass
    assert probe.busy_seconds() - before >= 0.1


def test_memory_grows_with_what_a_process_keeps():
    def memory_of(megabytes: int) -> int:
        program = f"kept = b'x' * ({megabytes} << 20); print(flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            used = probe.memory_bytes([process.pid])
            process.communicate(b"\n")
        return used

    assert memory_of(64) - memory_of(0) >= 60 << 20
