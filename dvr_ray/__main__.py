"""``python -m dvr_ray`` is ``dvr-ray``."""

from dvr_ray.cli.main import main

main()
