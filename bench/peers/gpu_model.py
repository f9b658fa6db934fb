"""The model of bench/gpu.py in PyTorch on device 0: tokens a second of the second half of the updates. Weights and
activations in BFloat16, or with autocast float32 weights and matrix products in BFloat16; loss in float32, gradients summed over `accumulation` micro-batches, fused AdamW, and its norm read every
update.

usage: gpu_model.py SPEC, a JSON text; prints JSON. Exit code 3: this Python has no PyTorch with CUDA.
"""
import json
import sys
import time

try:
    import torch
except ImportError:
    sys.exit(3)

from gpt import Shape, loss, make_optimizer, make_stage


def main(spec: dict) -> None:
    if not torch.cuda.is_available():
        sys.exit(3)
    shape = Shape(**spec["model"])
    is_autocast = spec["precision"] == "bf16_autocast"
    stage = make_stage(shape, 0, 1, 1).to("cuda", torch.float32 if is_autocast else torch.bfloat16)
    optimizer = make_optimizer([stage])
    size = (spec["micro_batch"], shape.context + 1)
    for update in range(spec["updates"]):
        if update == spec["updates"] // 2:
            torch.cuda.synchronize()
            begin = time.monotonic()
        for _ in range(spec["accumulation"]):
            tokens = torch.randint(shape.vocabulary, size).pin_memory().to("cuda", non_blocking=True)
            with torch.autocast("cuda", torch.bfloat16, enabled=is_autocast):
                logits = stage(tokens[:, :-1])
            (loss(logits.float(), tokens[:, 1:]) / spec["accumulation"]).backward()
        torch.nn.utils.get_total_norm([p.grad for p in stage.parameters()]).item()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    measured = spec["updates"] - spec["updates"] // 2
    tokens = measured * spec["accumulation"] * spec["micro_batch"] * shape.context
    print(json.dumps({"tokens_per_second": tokens / (time.monotonic() - begin),
                      "peak_device_bytes": torch.cuda.max_memory_allocated(), "torch": torch.__version__}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
