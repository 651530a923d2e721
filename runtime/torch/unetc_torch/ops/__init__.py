"""What each op computes: `op(attrs, inputs, out)`, `out` the dims of its result. Maps are `[samples, channels, *cells]`.

Nothing is differentiated here: the ops of the backward pass are in the plan like all others.
"""
