"""./run test models: models of Hugging Face's transformers beside ours. For a GPT-2 and Llamas with random weights: what
`pacictl import` made has the same logits to 1e-4; real daemons train it, from the loss that transformers computes; and what
`pacictl export` made of that has the logits of the trained checkpoint, in transformers.

usage: models_test.py BUILD, by the Python of .deps/models
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["PACI_BIN"] = str(BUILD / "bin")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from cluster import ROOT, cluster, kjv  # noqa: E402

NEAR = 1e-4
CONTEXT, VOCABULARY = 48, 256
LLAMA = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
         "num_attention_heads": 8, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6, "rope_theta": 5000.0}
CONFIGS = {
    "gpt2": transformers.GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=64, n_layer=3, n_head=4),
    "llama": transformers.LlamaConfig(**LLAMA),
    "llama-scaled": transformers.LlamaConfig(**LLAMA, rope_scaling={
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32}),
    "llama-grouped": transformers.LlamaConfig(**LLAMA, num_key_value_heads=2, tie_word_embeddings=True),
}


def pacictl(*arguments: object) -> str:
    return subprocess.run([BUILD / "bin" / "pacictl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def theirs(folder: pathlib.Path, ids: torch.Tensor) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(ids[None]).logits[0]


def ours(checkpoint: str, ids: torch.Tensor, work: pathlib.Path) -> torch.Tensor:
    (work / "ids").write_bytes(ids.numpy().tobytes())
    subprocess.run([BUILD / "bin" / "model_logits", checkpoint, work / "ids", work / "logits"], check=True)
    values = torch.frombuffer(bytearray((work / "logits").read_bytes()), dtype=torch.float32)
    return values.view(len(ids), VOCABULARY)


def expect_same(a: torch.Tensor, b: torch.Tensor, what: str) -> None:
    furthest = (a - b).abs().max().item()
    assert furthest < NEAR, f"{what}: logits are {furthest} apart"
    assert a.std() > 0.1, f"{what}: logits that say nothing"
    print(f"ok: {what}: logits at most {furthest:.1e} apart", flush=True)


def trained(running, model_section: str, checkpoint: str, work: pathlib.Path) -> dict:
    """The job that went on from a checkpoint."""
    file = work / "job.yaml"
    file.write_text("name: tuned\n" + model_section + f"""
data: {{train: "{kjv()[0]}", validation: "{kjv()[1]}"}}
pipeline: {{stages: 2, accumulation: 2, micro_batch: 4}}
optimizer: {{lr: 1.0e-3}}
train: {{updates: 40, eval_every: 40, threads: 1}}
checkpoint: {{dir: {work / "runs"}}}
""")
    submitted = running.ctl("submit", str(file), "--resume-from", checkpoint)
    state = lambda: running.ctl("describe", submitted["id"])["state"]  # noqa: E731
    running.wait_for(lambda: state() in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED"), "the end", 120)
    job = running.ctl("describe", submitted["id"])
    assert job["state"] == "JOB_STATE_COMPLETED", job["reason"]
    return job | {"points": running.ctl("metrics", submitted["id"])["points"]}


def check(name: str, config: transformers.PretrainedConfig, running, work: pathlib.Path) -> None:
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # such that no part of it is near nothing
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    folder = work / name
    model.save_pretrained(folder)
    ids = torch.randint(VOCABULARY, (CONTEXT,))
    printed = pacictl("import", folder, work / "runs", "--name", name)
    section = printed[printed.index("model:"):]
    imported = str(work / "runs" / name / "update-00000000.g0")
    expect_same(theirs(folder, ids), ours(imported, ids, work), f"{name}, imported")

    job = trained(running, section, imported, work)
    losses = [point["loss"] for point in job["points"] if "loss" in point]
    uniform = torch.log(torch.tensor(float(VOCABULARY))).item()
    with torch.no_grad():  # the first update's loss is that of the imported weights, on another sample of the text
        text = torch.tensor(list(kjv()[0].read_bytes()[:100 * CONTEXT])).view(100, CONTEXT)
        first = model.eval()(text, labels=text).loss.item()
    assert abs(losses[0] - first) < 0.15, (losses[0], first)
    assert losses[-1] < min(uniform, losses[0]) - 1, losses
    print(f"ok: {name}: trained from {losses[0]:.3f} (transformers: {first:.3f}) to {losses[-1]:.3f}", flush=True)

    newest = job["checkpoints"][-1]["directory"]
    pacictl("export", newest, work / f"{name}-trained")
    exported = json.loads((work / f"{name}-trained" / "config.json").read_text())
    assert exported["tie_word_embeddings"] == config.tie_word_embeddings, exported
    expect_same(theirs(work / f"{name}-trained", ids), ours(newest, ids, work), f"{name}, trained and exported")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="paci-models-") as work, cluster(2) as running:
        for name, config in CONFIGS.items():
            check(name, config, running, pathlib.Path(work))


if __name__ == "__main__":
    main()
