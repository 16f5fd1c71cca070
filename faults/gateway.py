"""`manage.py serve` with something wrong: the process that the fault tests kill.

    FAULTS_POINT=start.held FAULTS_PASSES=7 FAULTS_MUTANT= python -m faults.gateway serve …

FAULTS_POINT is a name in `points.POINTS`; FAULTS_MUTANT one in `mutants.MUTANTS`; both may be empty.
FAULTS_PAUSE_SECONDS widens the window between the question and the decision at a start.
"""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    from faults import mutants, points

    if mutant := os.environ.get("FAULTS_MUTANT"):
        mutants.MUTANTS[mutant]()
    if pause := float(os.environ.get("FAULTS_PAUSE_SECONDS", "0")):
        points.widen(pause)
    if point := os.environ.get("FAULTS_POINT"):
        points.arm(point, passes=int(os.environ["FAULTS_PASSES"]))
    execute_from_command_line(["manage.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
