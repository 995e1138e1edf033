"""pytest in a checkout: the plugin that an installed rnn-spec loads for `rnn-spec check`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the layers are small: more threads only get in the way

pytest_plugins = ["rnn_spec.suite.plugin"]
