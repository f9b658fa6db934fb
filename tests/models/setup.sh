#!/usr/bin/env bash
# Makes .deps/models, a virtual environment with transformers and the PyTorch of bench/peers. A second run installs
# nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
bench/peers/setup.sh

here=.deps/models
stamp=$here/models.sha256
wanted=$(sha256sum tests/models/requirements.txt tests/models/setup.sh | sha256sum | cut -d' ' -f1)
[ "$(cat $stamp 2> /dev/null)" != "$wanted" ] || exit 0

echo "setup: fetching transformers for the comparison (60 MB)"
rm -rf $here
python3 -m venv --without-pip $here
python3 -m pip --python $here/bin/python install -q --no-deps --require-hashes --only-binary=:all: \
  -r tests/models/requirements.txt
echo "$(cd .deps/peers/lib/python3*/site-packages && pwd)" > "$(echo $here/lib/python3*/site-packages)/peers.pth"
$here/bin/python -W ignore -c 'import torch, transformers'
echo "$wanted" > $stamp
