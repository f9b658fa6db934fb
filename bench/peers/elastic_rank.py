"""One rank of a training run under PyTorch's elastic launcher (bench/goodput.py starts it): goes on from the newest
checkpoint, and writes one every `checkpoint_every` updates. usage, by torchrun: elastic_rank.py SPEC"""
import json
import os
import pathlib
import sys

import torch
import torch.distributed as dist

from gpt import Shape, make_optimizer
from rank import Pipeline, Samples


def replace(path: pathlib.Path, text: str) -> None:
    """A reader sees all of it or what was there before."""
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def main(spec_file: str) -> None:
    torch.set_num_threads(1)
    spec = json.loads(pathlib.Path(spec_file).read_text())
    rank, folder = int(os.environ["RANK"]), pathlib.Path(spec["folder"])
    replace(folder / f"pid-{rank}", str(os.getpid()))
    side = Pipeline(Shape(**spec["model"]), spec, rank)
    optimizer = make_optimizer(side.modules)
    samples = Samples(spec["data"], spec["micro_batch"], spec["model"]["context"], spec["seed"])
    update, newest = 0, folder / "newest"
    if newest.exists():
        update = int(newest.read_text())
        state = torch.load(folder / f"update-{update}-{rank}")
        for module, weights in zip(side.modules, state["weights"]):
            module.load_state_dict(weights)
        optimizer.load_state_dict(state["optimizer"])
        samples.generator.set_state(state["samples"])
    while True:
        side.step([samples.next() for _ in range(spec["accumulation"])])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        update += 1
        if update % spec["checkpoint_every"] == 0:
            torch.save({"weights": [m.state_dict() for m in side.modules], "optimizer": optimizer.state_dict(),
                        "samples": samples.generator.get_state()}, folder / f"update-{update}-{rank}")
            dist.barrier()  # it is complete
            if rank == 0:
                replace(newest, str(update))
            (folder / f"update-{update - 2 * spec['checkpoint_every']}-{rank}").unlink(missing_ok=True)
        if rank == 0:
            replace(folder / "updates", str(update))


if __name__ == "__main__":
    main(sys.argv[1])
