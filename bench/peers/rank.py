"""One process of a training run in PyTorch, started by train_torch.py: one rank of a pipeline, or all of the model.

usage: rank.py SPEC RESULT RANK. Reads what to do from SPEC, writes what it measured to RESULT (both JSON).
"""
import json
import pathlib
import sys
import time
import warnings


def memory_bytes(key: str) -> int:
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
import torch  # noqa: E402

TORCH_BYTES = memory_bytes("VmRSS")
import torch.distributed as dist  # noqa: E402

from gpt import Shape, loss, make_optimizer, make_stage  # noqa: E402

STAGES_A_RANK = {"1f1b": 1, "interleaved-zb": 2, "zbv": 2}


class NotPossible(Exception):
    """PyTorch refuses this schedule for this number of micro-batches."""


class Samples:
    """Micro-batches of random windows of a file of bytes; the same ones for the same seed."""

    def __init__(self, file: str, micro_batch: int, context: int, seed: int):
        text = bytearray(pathlib.Path(file).read_bytes())
        self.tokens = torch.frombuffer(text, dtype=torch.uint8)
        self.micro_batch, self.context = micro_batch, context
        self.generator = torch.Generator().manual_seed(seed)

    def next(self):
        starts = torch.randint(len(self.tokens) - self.context, (self.micro_batch,), generator=self.generator).tolist()
        rows = torch.stack([self.tokens[s:s + self.context + 1] for s in starts]).long()
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


class Single:
    """Plain gradient accumulation."""

    def __init__(self, shape: Shape, spec: dict, rank: int):
        del rank
        self.imported_bytes = memory_bytes("VmRSS")
        self.modules = [make_stage(shape, 0, 1, spec["seed"])]

    def step(self, micro_batches: list) -> list[float]:
        losses = []
        for tokens, targets in micro_batches:
            value = loss(self.modules[0](tokens), targets)
            (value / len(micro_batches)).backward()
            losses.append(value.item())
        return losses


class Pipeline:
    """A schedule of torch.distributed.pipelining over Gloo."""

    def __init__(self, shape: Shape, spec: dict, rank: int):
        from torch.distributed import pipelining
        from torch.distributed.pipelining.schedules import ScheduleZBVZeroBubble
        self.imported_bytes = memory_bytes("VmRSS")
        ranks, per_rank = spec["ranks"], STAGES_A_RANK[spec["schedule"]]
        dist.init_process_group("gloo", init_method=spec["rendezvous"], rank=rank, world_size=ranks)
        count = ranks * per_rank
        # Round the ranks again and again; ZBV goes there and back.
        numbers = [rank, count - 1 - rank] if spec["schedule"] == "zbv" else list(range(rank, count, ranks))
        self.modules = [make_stage(shape, number, count, spec["seed"]) for number in numbers]
        tokens = torch.empty(spec["micro_batch"], shape.context, dtype=torch.long, device="meta")
        hidden = torch.empty(*tokens.shape, shape.hidden, device="meta", requires_grad=True)
        logits = torch.empty(*tokens.shape, shape.vocabulary, device="meta", requires_grad=True)
        # Given the shapes, PyTorch need not find them out by sending Python objects, for which it needs NumPy.
        stages = [pipelining.PipelineStage(module, number, count, torch.device("cpu"),
                                           input_args=tokens if number == 0 else hidden,
                                           output_args=logits if number == count - 1 else hidden)
                  for module, number in zip(self.modules, numbers)]
        make = {"1f1b": pipelining.Schedule1F1B, "interleaved-zb": pipelining.ScheduleInterleavedZeroBubble,
                "zbv": ScheduleZBVZeroBubble}[spec["schedule"]]
        self.accumulation = spec["accumulation"]
        try:
            # The loss is divided here, and not the gradients after the last backward: one pass over them less.
            self.schedule = make(stages[0] if per_rank == 1 else stages, self.accumulation, scale_grads=False,
                                 loss_fn=lambda logits, targets: loss(logits, targets) / self.accumulation)
        except ValueError as error:
            raise NotPossible(" ".join(str(error).split())) from error
        self.is_first, self.is_last = 0 in numbers, count - 1 in numbers

    def step(self, micro_batches: list) -> list[float]:
        losses: list = []
        self.schedule.step(arg_mbs=[(tokens,) for tokens, _ in micro_batches] if self.is_first else None,
                           target_mbs=[targets for _, targets in micro_batches] if self.is_last else None,
                           losses=losses if self.is_last else None, return_outputs=False)
        return [value.item() * self.accumulation for value in losses]


def train(spec: dict, rank: int) -> dict:
    shape = Shape(**spec["model"])
    side = (Single if spec["schedule"] == "single" else Pipeline)(shape, spec, rank)
    optimizer = make_optimizer(side.modules)
    samples = Samples(spec["data"], spec["micro_batch"], shape.context, spec["seed"])
    losses, ends = [], [time.perf_counter()]
    for _ in range(spec["updates"]):
        values = side.step([samples.next() for _ in range(spec["accumulation"])])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(sum(values) / len(values) if values else None)
        ends.append(time.perf_counter())
    # Resident after `import torch`, and after everything else was imported; the peak of the process.
    return {"losses": losses, "ends": ends, "memory": {
        "torch_bytes": TORCH_BYTES, "imported_bytes": side.imported_bytes, "peak_bytes": memory_bytes("VmHWM")}}


def main(spec_file: str, result_file: str, rank: str) -> None:
    torch.set_num_threads(1)
    spec = json.loads(pathlib.Path(spec_file).read_text())
    try:
        result = train(spec, int(rank))
    except NotPossible as error:
        result = {"not_possible": str(error)}
    pathlib.Path(result_file).write_text(json.dumps(result))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
