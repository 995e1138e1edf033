"""pytest in a checkout: the plugin that an installed rnn-spec loads for `rnn-spec check`."""

pytest_plugins = ["rnn_spec.plugin"]
