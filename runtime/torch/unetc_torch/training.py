"""A training from its first step to its last: checkpoints, an orderly end, and one line of JSON a step."""

import json
import math
import sys
import time

from . import checkpoint
from .errors import EndedElsewhere, Refusal, RunFailed
from .interpreter import run_step
from .launch import restarts
from .metrics import Tables, mean_iou
from .states import first_not_finite, fitting, gather, spread
from .stop import Stop


class Training:
    def __init__(self, device, control, bundle, options, validation=None):
        self.device, self.control, self.bundle, self.options = device, control, bundle, options
        self.validation = validation
        training = bundle.plan["model"]["training"]
        self.batch, self.seed = training["batch"], training["seed"]
        self.total = options.steps if options.steps is not None else training["steps"]
        self.losses, self.saved = [], None
        #: Mean intersection over union that a validation has to beat.
        self.best = -math.inf
        self.tables = Tables(bundle.plan["model"])

    # What rank 0 says

    def tell(self, record):
        if self.control.rank == 0:
            text = json.dumps(record)
            print(text, flush=True)
            self.device.profile.tell(text)

    def warn(self, text):
        print(f"unetc_torch: warning: {text}", file=sys.stderr, flush=True)

    # Beginning

    def _on_first(self, work):
        """What rank 0 does while the others wait; where it fails, all end."""
        result, problem = None, None
        if self.control.rank == 0:
            try:
                result = work()
            except (Refusal, RunFailed) as error:
                problem = error
        (code,) = self.control.sum([problem.exit if problem else 0], patient=True)
        if code:
            raise problem or EndedElsewhere(int(code))
        return result

    def _find(self):
        """The checkpoint to go on from `(step, arrays, file)`, if there is one; and the best score so far."""
        folder, plan = self.options.checkpoint, self.bundle.plan
        checkpoint.prepare(folder)
        if not (self.options.resume or restarts() > 0):
            found = checkpoint.any_in(folder)
            if found is None:
                return None, -math.inf
            raise Refusal(f"{folder} already holds checkpoints ({found}): go on from them with --resume")
        found = checkpoint.newest(folder, self.bundle.model, self.warn)
        best = checkpoint.best_score(folder, self.bundle.model, self.warn)
        if found is None:
            return None, best
        file, step, tensors = found
        shapes = {one["name"]: one["dims"] for one in plan["model"]["parameters"]}
        return (step, fitting(plan["states"], shapes, tensors, file), file), best

    def _resume(self):
        """Steps that are done already."""
        if self.options.checkpoint is None:
            return 0
        found, best = self._on_first(self._find) or (None, 0)
        step, self.best = self.control.sum([found[0] if found else 0, best])
        step = int(step)
        if step > 0:
            spread(self.device, self.control, found[1] if found else None)
        if found:
            self.saved = found[2]
            print(f"unetc_torch: going on from step {step} ({self.saved})", file=sys.stderr, flush=True)
        return step

    # Steps

    def run(self):
        stop, step = Stop(), self._resume()
        stopped = False
        while step < self.total and not stopped:
            stopped = self._step(step, stop)
            step += 1
            # Before the checkpoint: who resumes from that has nothing to make up for.
            if self._is_scored(step) and not stopped:
                stopped = self._validate(step, stop)
            if self._is_due(step) and step < self.total and not stopped:
                self._save(step)
        self._save(step)
        self.tell({"done": step >= self.total, "checkpoint": self.saved})

    def _step(self, step, stop):
        """True where the run is to end after it."""
        began = time.monotonic()
        run_step(self.device, step, self.options.timeout)
        if step + 1 < self.total:
            self.device.feeds.prepare(step + 1)
        loss = self.device.loss
        # Stages that do not compute it have none.
        broken = loss is not None and not math.isfinite(loss)
        counts = self.tables.flat(self.device.confusion)
        losses, holders, broken, asked, *counts = self.control.sum(
            [0 if loss is None or broken else loss, loss is not None, broken, stop.asked, *counts]
        )
        self.losses.append(math.nan if loss is None else loss)
        if broken:
            self._refuse(step)
        seconds = time.monotonic() - began
        # All who have the loss have the same one, and rank 0 may not be among them.
        record = {"step": step, "total": self.total, "loss": losses / holders if loss is None else loss, "seconds": seconds}
        self.tell({**record, "samplesPerSecond": self.batch / seconds, "metrics": self.tables.scores(counts)})
        return asked > 0

    def _refuse(self, step):
        arrays = gather(self.device, self.control)
        if self.control.rank != 0:
            raise EndedElsewhere()
        spoilt = first_not_finite(arrays)
        what = "all weights are finite" if spoilt is None else f"{spoilt} is not finite after it"
        raise RunFailed(f"the loss of step {step} is not finite; {what}; {self._last_good()}")

    def _last_good(self):
        return f"the last good checkpoint is {self.saved}" if self.saved else "there is no checkpoint yet"

    # Scores

    def _is_scored(self, step):
        return self.validation is not None and self.validation.is_due(step, self.total)

    def _validate(self, step, stop):
        """Scores the weights after `step` steps, and keeps the best ones; True where it was stopped."""
        arrays = gather(self.device, self.control)
        self._on_first(lambda: self._expect_finite(step, arrays))
        scores = self.validation.score(arrays, stop)
        if scores is None:
            return True
        reached = mean_iou(scores)
        better = reached is not None and reached > self.best
        if better:
            self.best = reached
            if self.options.checkpoint is not None:
                one = self._checkpoint(step, arrays)
                self._on_first(lambda: checkpoint.save_best(self.options.checkpoint, one, reached))
        self.tell({"validation": self.validation.split, "step": step, **scores, "best": better})
        return False

    # Ends

    def _is_due(self, step):
        return self.options.checkpoint is not None and step % self.options.checkpoint_every == 0

    def _save(self, step):
        if self.options.checkpoint is None:
            return
        arrays = gather(self.device, self.control)
        self.saved = self._on_first(lambda: self._write(step, arrays)) or self.saved

    def _write(self, step, arrays):
        self._expect_finite(step, arrays)
        return checkpoint.save(self.options.checkpoint, self._checkpoint(step, arrays), self.options.keep)

    def _expect_finite(self, step, arrays):
        spoilt = first_not_finite(arrays)
        if spoilt is not None:
            raise RunFailed(f"after {step} steps {spoilt} is not finite; {self._last_good()}")

    def _checkpoint(self, step, arrays):
        return checkpoint.Checkpoint(step, self.seed, self.batch, self.bundle.model, arrays)
