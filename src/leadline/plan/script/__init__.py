"""The training of a Plan as one file of plain PyTorch: nobody is locked in."""

from leadline.plan.script.saving import save_script

__all__ = ["save_script"]
