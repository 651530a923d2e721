"""For `windows.test.ts`: reads boxes of windows as a request on stdin says, and prints a hash of each."""

import hashlib
import json
import sys

from unetc_torch.windows import Windows

request = json.load(sys.stdin)
feed = Windows(request["folder"], request["model"], request["split"])
for one in request["reads"]:
    cells = feed.read(one["source"], one["step"], [one["sample"]], [(axis["from"], axis["to"]) for axis in one["box"]])
    print(cells.dtype, list(cells.shape), hashlib.sha256(cells.tobytes()).hexdigest())
