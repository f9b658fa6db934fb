#!/usr/bin/env bash
# Makes .deps/data, a virtual environment with the tokenizers of ./run data. A second run installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

here=.deps/data
stamp=$here/requirements.sha256
wanted=$(sha256sum data/requirements.txt | cut -d' ' -f1)
[ "$(cat $stamp 2> /dev/null)" != "$wanted" ] || exit 0

echo "setup: fetching tokenizers (10 MB)" >&2
rm -rf $here
python3 -m venv --without-pip $here
python3 -m pip --python $here/bin/python install -q --no-deps --require-hashes --only-binary=:all: -r data/requirements.txt
$here/bin/python -c 'import tokenizers, tqdm'
echo "$wanted" > $stamp
