"""What torch.nn.RNN is: the model, its adjoint, the arithmetic, the clauses."""
