"""``python -m rnn_spec`` is the `rnn-spec` command."""

from rnn_spec.cli import main

if __name__ == "__main__":
    main(prog_name="rnn-spec")
