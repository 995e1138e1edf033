"""pytest in a checkout: the plugin that an installed rnn-spec loads for `rnn-spec check`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the layers are small: more threads only get in the way

for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):  # what the tests judge is no run of CI's
    os.environ.pop(name, None)

pytest_plugins = ["rnn_spec.suite.plugin"]
