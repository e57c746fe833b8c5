"""Where the files that ship with the program lie: crds, manifests, schemas, migrations, ssot.

A wheel carries them inside the package; a checkout has them at its top level. This module imports nothing of ours.
"""

import pathlib

_PACKAGE = pathlib.Path(__file__).parent


def folder(name: str) -> pathlib.Path:
    """The folder `name` (crds, manifests, schemas, migrations or ssot) of this installation.

    Raises:
        FileNotFoundError: the installation is broken; the message names the folder.
    """
    for root in (_PACKAGE / "_assets", _PACKAGE.parent.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f'installation is incomplete: folder "{name}" is missing')
