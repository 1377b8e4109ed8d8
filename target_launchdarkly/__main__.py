"""Run the target with `python -m target_launchdarkly`, or as `target-launchdarkly`."""

from __future__ import annotations

import gc
import logging
import signal
import sys


def main() -> None:
    """Run the command; it ends with 0, with 1 and one line that says why, or by a signal."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the target handles it: no traceback of an import.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Nothing of what is imported is garbage, and looking through it takes a while.
    gc.disable()
    from target_launchdarkly.boundary import let_go_of_streams, told  # noqa: PLC0415 it takes time
    from target_launchdarkly.target import TargetLaunchDarkly  # noqa: PLC0415

    gc.freeze()
    gc.enable()

    try:
        TargetLaunchDarkly.cli()
    except Exception as error:  # noqa: BLE001 what is no run, as printing help
        # Where the log could not be set up; else it is as it was.
        logging.basicConfig(format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s")
        logging.getLogger(TargetLaunchDarkly.name).error("%s", told(error))  # noqa: TRY400
        sys.exit(1)
    finally:
        let_go_of_streams()


if __name__ == "__main__":
    main()
