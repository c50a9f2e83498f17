"""The fast step of small networks: recorded once, then played without an autograd engine; and the memory that steps keep."""

from leadline.training.recorded.heap import keeping_buffers
from leadline.training.recorded.stepping import Recorded

__all__ = ["Recorded", "keeping_buffers"]
