#!/usr/bin/env bash
# Makes .run/plotting, a virtual environment with the matplotlib of ./run bench plots. A second run installs nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=.run/plotting
stamp=$here/requirements.sha256
wanted=$(sha256sum bench/plotting/requirements.txt | cut -d' ' -f1)
[ "$(cat $stamp 2> /dev/null)" != "$wanted" ] || exit 0

echo "setup: fetching matplotlib for the plots (40 MB)"
rm -rf $here
python3 -m venv --without-pip $here
python3 -m pip --python $here/bin/python install -q --no-deps --require-hashes --only-binary=:all: \
  -r bench/plotting/requirements.txt
echo "$wanted" > $stamp
