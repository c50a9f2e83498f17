"""Boltzmann machines and deep belief nets: how they learn without autograd, and what tells how good they are."""
