"""The commands of `rnn-spec` beside `check`, a module for each user of them."""
