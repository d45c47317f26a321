#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts luthier or luthier-cli (by the name it is called under) from a carried folder or an installed package. The program's small libraries come
# with it; LibTorch, 5 GB, is the host's: LUTHIER_TORCH_DIR, or else the folder that the sentence below says how to fill.
here=$(dirname "$(readlink -f "$0")")
name=$(basename "$0")
if [ -x "$here/lib/$name" ]; then
  programs=$here/lib resources=$here/resources
else
  programs=$here/../lib/luthier resources=$here/../share/luthier/resources
fi
own=${XDG_DATA_HOME:-${HOME:-}/.local/share}/luthier/libtorch
if [ -z "${LUTHIER_TORCH_DIR:-}" ] && [ -e "$own/torch/lib/libtorch_cpu.so" ]; then LUTHIER_TORCH_DIR=$own/torch; fi
if [ -z "${LUTHIER_TORCH_DIR:-}" ]; then
  echo "$name: LUTHIER_TORCH_DIR is not set. Set it to LibTorch 2.11, the folder that holds lib/libtorch_cpu.so (in a Python environment: site-packages/torch), or fetch one: python3 -m pip install --target $own torch==2.11.0" >&2
  exit 3
fi
if [ ! -e "$LUTHIER_TORCH_DIR/lib/libtorch_cpu.so" ]; then
  echo "$name: LUTHIER_TORCH_DIR is $LUTHIER_TORCH_DIR, which holds no lib/libtorch_cpu.so. Set it to a LibTorch 2.11 folder." >&2
  exit 3
fi
LD_LIBRARY_PATH=$programs:$LUTHIER_TORCH_DIR/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
LUTHIER_RESOURCES=${LUTHIER_RESOURCES:-$resources}
export LD_LIBRARY_PATH LUTHIER_RESOURCES
exec "$programs/$name" "$@"
