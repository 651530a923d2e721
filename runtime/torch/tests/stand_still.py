"""For `patience.test.ts`: rank 0 waits patiently for rank 1, which takes long (`long`) or stands still (`still`).

    stand_still.py RANK PORT TIMEOUT long|still
"""

import datetime
import os
import signal
import sys
import time

import torch.distributed as dist

from unetc_torch.control import DistributedControl

rank, port, timeout, how = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
wait = datetime.timedelta(seconds=timeout)
store = dist.TCPStore("127.0.0.1", port, 2, is_master=rank == 0, timeout=wait)
dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=wait)


def fail(error):
    print(error, file=sys.stderr, flush=True)
    os._exit(error.exit)


control = DistributedControl(timeout, store, fail)
if rank == 1 and how == "still":
    os.kill(os.getpid(), signal.SIGSTOP)
elif rank == 1:
    time.sleep(3 * timeout)
print(control.sum([1], patient=True))
